/* SPDX-License-Identifier: MIT */
/* sources: boot/acpi/mp_table.c boot/acpi/table.c tests/unit/world/panic.c */
/*
 * boot/acpi/mp_table.c: cores, I/O APICs and lines from the table that QEMU's firmware for machines
 * without ACPI leaves, and tables that are wrong.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "boot/acpi/mp_table.h"
#include "kernel/platform.h"

#define MEMORY_BYTES 0x100000u
#define POINTER      0x9FC00u
#define TABLE        0x9FC10u
#define HEADER_BYTES 44u

static uint8_t memory[MEMORY_BYTES];
static struct acpi acpi;
static uint32_t table_bytes;

static bool read_memory(void *context, paddr_t paddr, void *buffer, size_t bytes)
{
    (void)context;
    if (paddr > MEMORY_BYTES || bytes > MEMORY_BYTES - paddr) {
        return false;
    }
    memcpy(buffer, memory + paddr, bytes);
    return true;
}

static void seal(uint32_t start, uint32_t bytes, uint32_t checksum)
{
    uint8_t sum = 0;

    memory[checksum] = 0;
    for (uint32_t i = 0; i < bytes; i++) {
        sum = (uint8_t)(sum + memory[start + i]);
    }
    memory[checksum] = (uint8_t)-sum;
}

static void put_pointer(uint32_t at, uint32_t table)
{
    memcpy(memory + at, "_MP_", 4);
    memcpy(memory + at + 4, &table, 4);
    memory[at + 8] = 1;
    memory[at + 9] = 4;
    seal(at, 16, at + 10);
}

static void begin(void)
{
    memset(memory, 0, sizeof(memory));
    memcpy(memory + TABLE, "PCMP", 4);
    table_bytes = HEADER_BYTES;
    put_pointer(POINTER, TABLE);
}

static void put_bytes(const uint8_t *bytes, uint32_t count)
{
    memcpy(memory + TABLE + table_bytes, bytes, count);
    table_bytes += count;
}

static void put_core(uint8_t id, uint8_t flags)
{
    const uint8_t entry[20] = {0, id, 0x14, flags};

    put_bytes(entry, sizeof(entry));
}

static void put_bus(uint8_t id, const char *name)
{
    uint8_t entry[8] = {1, id};

    memcpy(entry + 2, name, 6);
    put_bytes(entry, sizeof(entry));
}

static void put_ioapic(uint8_t id, uint8_t flags, uint32_t paddr)
{
    uint8_t entry[8] = {2, id, 0x11, flags};

    memcpy(entry + 4, &paddr, 4);
    put_bytes(entry, sizeof(entry));
}

static void put_line(uint8_t type, uint8_t kind, uint8_t flags, uint8_t bus, uint8_t irq,
                     uint8_t apic, uint8_t pin)
{
    const uint8_t entry[8] = {type, kind, flags, 0, bus, irq, apic, pin};

    put_bytes(entry, sizeof(entry));
}

static int parse(void)
{
    memset(&acpi, 0, sizeof(acpi));
    for (uint32_t i = 0; i < ISA_IRQ_COUNT; i++) {
        acpi.machine.isa_irqs[i].gsi = i;
    }
    memory[TABLE + 4] = (uint8_t)table_bytes;
    memory[TABLE + 5] = (uint8_t)(table_bytes >> 8);
    seal(TABLE, table_bytes, TABLE + 7);
    return mp_table_parse(&acpi, read_memory, NULL);
}

/* As QEMU's microvm has it, with four cores. The count of entries in its header is 0. */
static int build_sound_table(void **state)
{
    (void)state;
    begin();
    for (uint8_t id = 0; id < 4; id++) {
        put_core(id, id == 0 ? 3 : 1);
    }
    put_bus(0, "ISA   ");
    put_ioapic(5, 1, 0xFEC00000);
    put_line(3, 0, 0, 0, 0, 5, 2);
    for (uint8_t irq = 1; irq < 16; irq++) {
        if (irq != 2) {
            put_line(3, 0, 0, 0, irq, 5, irq);
        }
    }
    put_line(4, 3, 0, 0, 0, 0, 0);
    put_line(4, 1, 0, 0, 0, 0xFF, 1);
    return 0;
}

static void cores_and_lines_are_found(void **state)
{
    (void)state;
    assert_int_equal(parse(), 0);
    assert_int_equal(acpi.problem_count, 0);
    assert_int_equal(acpi.core_count, 4);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(acpi.cores[i].apic_id, i);
        assert_true(acpi.cores[i].has_nmi_line);
        assert_int_equal(acpi.cores[i].nmi_lint, 1);
    }
    assert_int_equal(acpi.machine.ioapic_count, 1);
    assert_int_equal(acpi.machine.ioapics[0].paddr, 0xFEC00000);
    assert_int_equal(acpi.machine.ioapics[0].first_gsi, 0);
    assert_int_equal(acpi.machine.isa_irqs[0].gsi, 2);
    assert_int_equal(acpi.machine.isa_irqs[12].gsi, 12);
    assert_false(acpi.machine.isa_irqs[12].is_level);
}

static void what_is_switched_off_or_listed_twice_is_left_out(void **state)
{
    (void)state;
    begin();
    put_core(3, 1);
    put_core(3, 1);
    put_core(4, 0);
    put_core(0xFF, 1); /* an interrupt to that one reaches all */
    put_ioapic(1, 0, 0xFEC00000);
    assert_int_equal(parse(), 0);
    assert_int_equal(acpi.core_count, 1);
    assert_int_equal(acpi.machine.ioapic_count, 0);
}

static void lines_of_other_kinds_and_buses_route_nothing(void **state)
{
    (void)state;
    begin();
    put_core(0, 1);
    put_bus(0, "PCI   ");
    put_bus(1, "ISA   ");
    put_ioapic(7, 1, 0xFEC00000);
    put_ioapic(8, 1, 0xFEC01000);
    put_line(3, 0, 0, 0, 5, 7, 20);   /* PCI's */
    put_line(3, 3, 0, 1, 6, 7, 20);   /* the 8259A's */
    put_line(3, 0, 0, 1, 16, 7, 20);  /* no IRQ of ISA */
    put_line(3, 0, 0, 1, 7, 9, 20);   /* an I/O APIC that there is not */
    put_line(3, 0, 0, 1, 8, 7, 24);   /* a pin that there is not */
    put_line(3, 0, 0xF, 1, 9, 8, 20); /* active low, a level */
    put_line(3, 0, 0, 1, 10, 0xFF, 3);
    assert_int_equal(parse(), 0);
    for (unsigned irq = 5; irq <= 8; irq++) {
        assert_int_equal(acpi.machine.isa_irqs[irq].gsi, irq);
    }
    assert_int_equal(acpi.machine.isa_irqs[9].gsi, 44);
    assert_true(acpi.machine.isa_irqs[9].is_level && acpi.machine.isa_irqs[9].is_active_low);
    assert_int_equal(acpi.machine.isa_irqs[10].gsi, 3);
}

static void a_wrong_table_adds_nothing(void **state)
{
    (void)state;
    memory[POINTER + 10]++;
    assert_int_equal(parse(), -ENOENT);
    memory[POINTER + 10]--;
    assert_int_equal(parse(), 0);
    memory[TABLE] = 'X';
    assert_int_equal(parse(), -ENOENT);
    memory[TABLE] = 'P';
    assert_int_equal(parse(), 0);
    memory[TABLE + 50]++; /* behind the seal */
    memset(&acpi, 0, sizeof(acpi));
    assert_int_equal(mp_table_parse(&acpi, read_memory, NULL), -ENOENT);
    assert_int_equal(acpi.core_count, 0);
    memory[TABLE + 4] = memory[TABLE + 5] = 0; /* shorter than its header */
    assert_int_equal(mp_table_parse(&acpi, read_memory, NULL), -ENOENT);
}

static void a_table_that_is_cut_keeps_what_stands_before(void **state)
{
    (void)state;
    for (uint32_t whole = table_bytes; table_bytes > HEADER_BYTES; table_bytes--) {
        int result = parse();
        unsigned cores = (table_bytes - HEADER_BYTES) / 20;

        assert_int_equal(result, cores == 0 ? -ENOENT : 0);
        assert_int_equal(acpi.core_count, cores < 4 ? cores : 4);
        assert_true(table_bytes == whole || acpi.problem_count <= 1);
    }
}

static void an_entry_of_an_unknown_kind_ends_the_list(void **state)
{
    const uint8_t unknown[8] = {77};

    (void)state;
    begin();
    put_core(1, 1);
    put_bytes(unknown, sizeof(unknown));
    put_core(2, 1);
    assert_int_equal(parse(), 0);
    assert_int_equal(acpi.core_count, 1);
    assert_int_equal(acpi.problem_count, 1);
}

static void the_pointer_is_found_in_each_of_its_places(void **state)
{
    static const uint32_t places[] = {0x80000, 0x803F0, 0x9F800, 0x9FC00, 0xF0000, 0xFFFF0};

    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(places); i++) {
        memset(memory + POINTER, 0, 16);
        put_pointer(places[i], TABLE);
        memory[0x40E + 1] = 0x80;                   /* the extended BIOS data area */
        memory[0x413] = 0x7F, memory[0x414] = 0x02; /* 639 KiB of base memory */
        assert_int_equal(parse(), 0);
        memset(memory + places[i], 0, 16);
        assert_int_equal(parse(), -ENOENT);
    }
}

static void noise_is_read_within_its_bounds(void **state)
{
    (void)state;
    srand(1);
    for (unsigned round = 0; round < 500; round++) {
        begin();
        for (unsigned i = rand() % 600; i > 0; i--) {
            uint8_t byte = (uint8_t)(rand() % 3 == 0 ? rand() : rand() % 6);

            put_bytes(&byte, 1);
        }
        (void)parse();
        assert_true(acpi.core_count <= UINT8_MAX);
        assert_true(acpi.machine.ioapic_count <= IOAPIC_MAX);
    }
}

#define TEST(name) cmocka_unit_test_setup(name, build_sound_table)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(cores_and_lines_are_found),
        TEST(what_is_switched_off_or_listed_twice_is_left_out),
        TEST(lines_of_other_kinds_and_buses_route_nothing),
        TEST(a_wrong_table_adds_nothing),
        TEST(a_table_that_is_cut_keeps_what_stands_before),
        TEST(an_entry_of_an_unknown_kind_ends_the_list),
        TEST(the_pointer_is_found_in_each_of_its_places),
        TEST(noise_is_read_within_its_bounds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
