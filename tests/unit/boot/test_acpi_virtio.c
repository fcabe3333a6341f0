/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/acpi_world.c */
/*
 * boot/acpi/virtio.c: devices on no bus as QEMU and others write them down in a DSDT, and what only
 * looks like one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/world/acpi_world.h"

#define ROOM    (MEMORY_BYTES - DSDT_PADDR)
#define ADDRESS 0xFEB00E00u

static uint32_t bytes_so_far;

static void put_bytes(const void *bytes, uint32_t count)
{
    assert_true(bytes_so_far + count <= ROOM);
    memcpy(memory + DSDT_PADDR + bytes_so_far, bytes, count);
    bytes_so_far += count;
}

static void put_identifier(void)
{
    put_bytes("\x08_HID\x0DLNRO0005", 15); /* with its zero */
    put_bytes("\x08_UID\x0A\x07", 7);
}

static void put_memory(uint32_t paddr, uint32_t bytes)
{
    put_bytes("\x86\x09\x00\x01", 4);
    put_bytes(&paddr, 4);
    put_bytes(&bytes, 4);
}

static void put_interrupt(uint8_t flags, uint32_t gsi)
{
    const uint8_t start[5] = {0x89, 0x06, 0x00, flags, 0x01};

    put_bytes(start, 5);
    put_bytes(&gsi, 4);
}

static void put_device(uint32_t paddr, uint8_t flags, uint32_t gsi)
{
    put_identifier();
    put_memory(paddr, 512);
    put_interrupt(flags, gsi);
}

static void begin(const char *signature)
{
    begin_table(DSDT_PADDR, signature, HEADER_BYTES);
    bytes_so_far = HEADER_BYTES;
}

static void scan(unsigned problem_count)
{
    put(DSDT_PADDR + 4, bytes_so_far, 4);
    seal(DSDT_PADDR);
    assert_int_equal(parse(), 0);
    assert_int_equal(acpi.problem_count, problem_count);
}

static int reset(void **state)
{
    int result = build_sound_tables(state);

    begin("DSDT");
    return result;
}

static bool is_slot(unsigned index, uint64_t paddr, uint32_t gsi)
{
    const struct virtio_slot *slot = &acpi.machine.virtio_slots[index];

    return index < acpi.machine.virtio_slot_count && slot->paddr == paddr && slot->bytes == 512 &&
           slot->line.gsi == gsi;
}

static void devices_are_listed_with_their_lines(void **state)
{
    (void)state;
    put_device(ADDRESS, 0x01, 47);         /* QEMU: a level */
    put_device(ADDRESS + 512, 0x03, 5);    /* Firecracker: an edge */
    put_device(ADDRESS + 1024, 0x07, 300); /* active low */
    scan(0);
    assert_int_equal(acpi.machine.virtio_slot_count, 3);
    assert_true(is_slot(0, ADDRESS, 47) && is_slot(1, ADDRESS + 512, 5) &&
                is_slot(2, ADDRESS + 1024, 300));
    assert_true(acpi.machine.virtio_slots[0].line.is_level);
    assert_false(acpi.machine.virtio_slots[0].line.is_active_low);
    assert_false(acpi.machine.virtio_slots[1].line.is_level);
    assert_true(acpi.machine.virtio_slots[2].line.is_active_low);
}

static void a_device_is_found_wherever_it_stands(void **state)
{
    (void)state;
    for (uint32_t before = 0; before<1100; before += before % 512> 440 ? 1 : 37) {
        begin("DSDT");
        memset(memory + DSDT_PADDR + bytes_so_far, 0xA5, before);
        bytes_so_far += before;
        put_device(ADDRESS, 0, 24);
        scan(0);
        assert_int_equal(acpi.machine.virtio_slot_count, 1);
        assert_true(is_slot(0, ADDRESS, 24));
    }
}

/* The next one's are not its own. */
static void a_device_without_an_address_or_a_line_is_none(void **state)
{
    (void)state;
    put_identifier();
    put_memory(ADDRESS, 512);
    put_device(ADDRESS + 512, 0, 25);
    put_identifier();
    put_interrupt(0, 26);
    scan(1);
    assert_int_equal(acpi.machine.virtio_slot_count, 1);
    assert_true(is_slot(0, ADDRESS + 512, 25));
}

static void a_table_that_ends_within_a_device_has_none(void **state)
{
    (void)state;
    put_device(ADDRESS, 0, 24);
    uint32_t whole = bytes_so_far;

    for (uint32_t cut = 1; whole - cut > HEADER_BYTES; cut++) {
        bytes_so_far = whole - cut;
        scan(cut <= 28); /* what is left of it still says what it is */
        assert_int_equal(acpi.machine.virtio_slot_count, 0);
    }
}

static void other_identifiers_are_passed_over(void **state)
{
    (void)state;
    put_bytes("\x08_HID\x0DLNRO0006", 15);
    put_memory(ADDRESS, 512);
    put_interrupt(0, 24);
    scan(0);
    assert_int_equal(acpi.machine.virtio_slot_count, 0);
}

static void more_devices_than_can_be_listed_are_left_out(void **state)
{
    (void)state;
    for (unsigned i = 0; i < VIRTIO_SLOT_MAX; i++) {
        put_device(ADDRESS + 512 * i, 0, i);
        put_device(ADDRESS + 512 * i, 0, i); /* once more */
    }
    scan(0);
    assert_int_equal(acpi.machine.virtio_slot_count, VIRTIO_SLOT_MAX);
    put_device(ADDRESS + 512 * VIRTIO_SLOT_MAX, 0, 1);
    scan(1);
    assert_int_equal(acpi.machine.virtio_slot_count, VIRTIO_SLOT_MAX);
}

/* Not only in the first: two stand in the place of other tables here. */
static void devices_are_found_in_every_ssdt(void **state)
{
    (void)state;
    put_device(ADDRESS, 0, 24);
    scan(0);
    begin_table(HPET_PADDR, "SSDT", HEADER_BYTES);
    begin_table(MCFG_PADDR, "SSDT", HEADER_BYTES);
    for (unsigned i = 0; i < 2; i++) {
        uint32_t table = i == 0 ? HPET_PADDR : MCFG_PADDR;
        uint32_t length = bytes_so_far - HEADER_BYTES;

        memcpy(memory + table + HEADER_BYTES, memory + DSDT_PADDR + HEADER_BYTES, length);
        put(table + HEADER_BYTES + 26, ADDRESS + 512 * (i + 1), 4);
        put(table + 4, bytes_so_far, 4);
        seal(table);
    }
    assert_int_equal(parse(), 0);
    assert_int_equal(acpi.machine.virtio_slot_count, 3);
}

static void noise_is_read_within_its_bounds(void **state)
{
    (void)state;
    srand(1);
    for (unsigned round = 0; round < 200; round++) {
        begin("DSDT");
        while (bytes_so_far < ROOM - 16) {
            uint8_t byte = (uint8_t)(rand() % 4 == 0 ? 0x86 : rand() % 3 == 0 ? 0x89 : rand());

            if (rand() % 20 == 0) {
                put_bytes("LNRO0005", 9);
            }
            put_bytes(&byte, 1);
        }
        put(DSDT_PADDR + 4, bytes_so_far, 4);
        seal(DSDT_PADDR);
        assert_int_equal(parse(), 0);
        assert_true(acpi.machine.virtio_slot_count <= VIRTIO_SLOT_MAX);
    }
}

#define TEST(name) cmocka_unit_test_setup(name, reset)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(devices_are_listed_with_their_lines),
        TEST(a_device_is_found_wherever_it_stands),
        TEST(a_device_without_an_address_or_a_line_is_none),
        TEST(a_table_that_ends_within_a_device_has_none),
        TEST(other_identifiers_are_passed_over),
        TEST(more_devices_than_can_be_listed_are_left_out),
        TEST(devices_are_found_in_every_ssdt),
        TEST(noise_is_read_within_its_bounds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
