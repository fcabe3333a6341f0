/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/acpi_world.c boot/acpi/device_ranges.c boot/boot_info.c */
/*
 * boot/acpi/dmar.c: units and reserved memory, and every way of being broken. Of units all are
 * known, or none.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "boot/acpi/device_ranges.h"
#include "tests/unit/world/acpi_world.h"

#define DMAR_PADDR HPET_PADDR /* in its place */
#define UNIT       UINT64_C(0xFED90000)
#define RESERVED   UINT64_C(0xBF000000)

/* Lengthen the table by an entry; returns where it lies. */
static uint32_t add(uint16_t type, uint16_t bytes)
{
    uint32_t entry = DMAR_PADDR + get_length(DMAR_PADDR);

    memset(memory + entry, 0, bytes);
    put(entry, type, 2);
    put(entry + 2, bytes, 2);
    put(DMAR_PADDR + 4, get_length(DMAR_PADDR) + bytes, 4);
    return entry;
}

static uint32_t add_unit(uint16_t segment, uint64_t paddr)
{
    uint32_t entry = add(0, 16);

    memory[entry + 4] = 1; /* all devices */
    put(entry + 6, segment, 2);
    put(entry + 8, paddr, 8);
    return entry;
}

/* For one device, two steps below bus 2. */
static uint32_t add_reserved(uint64_t first, uint64_t last)
{
    uint32_t entry = add(1, 24 + 10);

    put(entry + 6, 3, 2);
    put(entry + 8, first, 8);
    put(entry + 16, last, 8);
    memory[entry + 24] = 1;
    memory[entry + 25] = 10;
    memory[entry + 29] = 2;
    memory[entry + 30] = 0x1C;
    memory[entry + 32] = 5;
    memory[entry + 33] = 6;
    return entry;
}

static void begin(void)
{
    begin_table(DMAR_PADDR, "DMAR", 48);
    add_unit(0, UNIT);
}

static void read_tables(void)
{
    seal(DMAR_PADDR);
    assert_int_equal(parse(), 0);
}

static void units_and_reserved_memory_are_found(void **state)
{
    const struct machine *machine = &acpi.machine;

    (void)state;
    begin();
    (void)add(2, 8); /* of a kind that is not used */
    add_unit(7, UNIT + 0x1000);
    add_reserved(RESERVED, RESERVED + 0x2FFF);
    read_tables();
    assert_int_equal(acpi.problem_count, 0);
    assert_int_equal(machine->iommu_count, 2);
    assert_int_equal(machine->iommus[0].paddr, UNIT);
    assert_int_equal(machine->iommus[0].segment, 0);
    assert_int_equal(machine->iommus[1].paddr, UNIT + 0x1000);
    assert_int_equal(machine->iommus[1].segment, 7);
    assert_int_equal(machine->reserved_dma_count, 1);
    assert_int_equal(machine->reserved_dmas[0].range.paddr, RESERVED);
    assert_int_equal(machine->reserved_dmas[0].range.bytes, 0x3000);
    assert_int_equal(machine->reserved_dmas[0].segment, 3);
    assert_int_equal(machine->reserved_dmas[0].start_bus, 2);
    assert_int_equal(machine->reserved_dmas[0].step_count, 2);
    assert_int_equal(machine->reserved_dmas[0].steps[0].device, 0x1C);
    assert_int_equal(machine->reserved_dmas[0].steps[1].device, 5);
    assert_int_equal(machine->reserved_dmas[0].steps[1].function, 6);
}

static void assert_no_units(void)
{
    read_tables();
    assert_int_equal(acpi.machine.iommu_count, 0);
    assert_int_equal(acpi.problem_count, 1);
    assert_string_equal(acpi.problems[0].signature, "DMAR");
}

static void one_impossible_unit_makes_all_unknown(void **state)
{
    (void)state;
    begin();
    add_unit(0, 0);
    assert_no_units();
    begin();
    add_unit(0, UNIT + 0x800);
    assert_no_units();
    begin();
    put(add(0, 12) + 8, UNIT, 4); /* too short */
    assert_no_units();
    begin();
    for (unsigned i = 0; i < IOMMU_MAX; i++) {
        add_unit(0, UNIT);
    }
    assert_no_units();
}

static void an_entry_of_impossible_length_makes_all_unknown(void **state)
{
    static const uint16_t lengths[] = {0, 3, 17, 0xFFFF};

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(lengths); i++) {
        begin();
        put(add_unit(0, UNIT) + 2, lengths[i], 2);
        assert_no_units();
    }
    begin();
    put(DMAR_PADDR + 4, get_length(DMAR_PADDR) + 3, 4); /* half an entry's head */
    assert_no_units();
}

static void assert_nothing_reserved(unsigned problem_count)
{
    read_tables();
    assert_int_equal(acpi.machine.iommu_count, 1);
    assert_int_equal(acpi.machine.reserved_dma_count, 0);
    assert_int_equal(acpi.problem_count, problem_count);
}

static void impossible_reserved_memory_is_left_out(void **state)
{
    static const uint64_t ranges[][2] = {
        {RESERVED + 1, RESERVED + 0xFFF},
        {RESERVED, RESERVED + 0x1000},
        {RESERVED, RESERVED - 1},
        {RESERVED, UINT64_MAX},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(ranges); i++) {
        begin();
        add_reserved(ranges[i][0], ranges[i][1]);
        assert_nothing_reserved(1);
    }
    begin();
    (void)add(1, 23);
    assert_nothing_reserved(1);
    begin();
    (void)add(1, 24); /* nobody's */
    put(DMAR_PADDR + get_length(DMAR_PADDR) - 8, 0xFFF, 8);
    assert_nothing_reserved(0);
}

static void a_scope_that_names_no_device_is_left_out(void **state)
{
    static const struct {
        uint8_t offset, value;
    } changes[] = {
        {24, 2},                     /* all behind a bridge */
        {25, 6},                     /* no path; what follows is no scope */
        {25, 9},                     /* half a step */
        {25, 11},                    /* longer than the entry */
        {25, 0},  {25, 5}, {30, 32}, /* no such device */
        {33, 8},                     /* no such function */
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(changes); i++) {
        begin();
        memory[add_reserved(RESERVED, RESERVED + 0xFFF) + changes[i].offset] = changes[i].value;
        read_tables();
        assert_int_equal(acpi.machine.iommu_count, 1);
        assert_int_equal(acpi.machine.reserved_dma_count, 0);
        assert_in_range(acpi.problem_count, 1, 2);
    }
}

static void a_path_longer_than_any_is_left_out(void **state)
{
    uint32_t entry;

    (void)state;
    begin();
    entry = add(1, 24 + 6 + 2 * (PCI_SCOPE_MAX + 1));
    put(entry + 16, 0xFFF, 8);
    memory[entry + 24] = 1;
    memory[entry + 25] = 6 + 2 * (PCI_SCOPE_MAX + 1);
    assert_nothing_reserved(1);
}

static void only_so_much_reserved_memory_is_remembered(void **state)
{
    (void)state;
    begin();
    put(DMAR_PADDR + 4, 48 + 16, 4);
    for (unsigned i = 0; i < RESERVED_DMA_MAX + 1; i++) {
        add_reserved(RESERVED, RESERVED + 0xFFF);
    }
    read_tables();
    assert_int_equal(acpi.machine.reserved_dma_count, RESERVED_DMA_MAX);
    assert_int_equal(acpi.problem_count, 1);
}

/* --- Against the memory map --- */

static void check(uint64_t unit, uint64_t reserved)
{
    static struct boot_info info;

    begin();
    add_unit(0, unit);
    add_reserved(reserved, reserved + 0x1FFF);
    read_tables();
    memset(&info, 0, sizeof(info));
    info.range_count = 1;
    info.ranges[0] = (struct boot_range){.range = {0, 0x40000000}, .is_usable = true};
    acpi_allow_devices(&acpi, &info, 40);
}

static void what_lies_in_our_memory_is_not_believed(void **state)
{
    (void)state;
    check(UNIT + 0x1000, RESERVED);
    assert_int_equal(acpi.machine.iommu_count, 2);
    assert_int_equal(acpi.machine.reserved_dma_count, 1);
    assert_non_null(ranges_find(&acpi.machine.devices, UNIT + 0x1000, 0x1000));
    check(UNIT + 0x1000, 0x3FFFF000);
    assert_int_equal(acpi.machine.iommu_count, 2);
    assert_int_equal(acpi.machine.reserved_dma_count, 0);
    check(0x3FFFF000, RESERVED);
    assert_int_equal(acpi.machine.iommu_count, 0);
    check(UINT64_C(1) << 40, RESERVED);
    assert_int_equal(acpi.machine.iommu_count, 0);
    check(UNIT + 0x1000, (UINT64_C(1) << 40) - 0x1000);
    assert_int_equal(acpi.machine.reserved_dma_count, 0);
}

#define TEST(name) cmocka_unit_test_setup(name, build_sound_tables)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(units_and_reserved_memory_are_found),
        TEST(one_impossible_unit_makes_all_unknown),
        TEST(an_entry_of_impossible_length_makes_all_unknown),
        TEST(impossible_reserved_memory_is_left_out),
        TEST(a_scope_that_names_no_device_is_left_out),
        TEST(a_path_longer_than_any_is_left_out),
        TEST(only_so_much_reserved_memory_is_remembered),
        TEST(what_lies_in_our_memory_is_not_believed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
