/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/acpi_world.c */
/*
 * boot/acpi/dsdt.c: configuration space and what host bridges forward, as a DSDT has them, and byte
 * patterns that only look like them. \_S5 is in test_acpi_power.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/world/acpi_world.h"

#define ECAM      0xE0000000u
#define DSDT_ROOM (MEMORY_BYTES - DSDT_PADDR)

static uint32_t dsdt_bytes;

static void begin_dsdt(void)
{
    begin_table(DSDT_PADDR, "DSDT", HEADER_BYTES);
    dsdt_bytes = HEADER_BYTES;
}

static void put_number(uint64_t value, unsigned bytes)
{
    assert_true(dsdt_bytes + bytes <= DSDT_ROOM);
    put(DSDT_PADDR + dsdt_bytes, value, bytes);
    dsdt_bytes += bytes;
}

static void put_text(const char *text)
{
    memcpy(memory + DSDT_PADDR + dsdt_bytes, text, strlen(text));
    dsdt_bytes += (uint32_t)strlen(text);
}

/* A descriptor of an address space; type 0 is memory, flags 0x0C an end that is fixed at both. */
static void put_descriptor(unsigned width, uint8_t type, uint8_t flags, uint64_t first,
                           uint64_t last, uint64_t size)
{
    put_number(width == 4 ? 0x87 : 0x8A, 1);
    put_number(width == 4 ? 0x17 : 0x2B, 2);
    put_number(type, 1);
    put_number(flags, 1);
    put_number(0, 1);
    put_number(0, width);
    put_number(first, width);
    put_number(last, width);
    put_number(0, width);
    put_number(size, width);
}

static void scan(void)
{
    put(DSDT_PADDR + 4, dsdt_bytes, 4);
    seal(DSDT_PADDR);
    assert_int_equal(parse(), 0);
    assert_int_equal(acpi.problem_count, 0);
}

static bool has_range(unsigned index, paddr_t start, paddr_t end)
{
    const struct memory_range *range = &acpi.machine.bridge_ranges[index];

    return index < acpi.machine.bridge_range_count && range->paddr == start &&
           range->paddr + range->bytes == end;
}

static int reset(void **state)
{
    int result = build_sound_tables(state);

    begin_dsdt();
    return result;
}

static void descriptors_of_memory_that_is_passed_on_are_listed_once(void **state)
{
    (void)state;
    put_descriptor(4, 0, 0x0C, 0xC0000000, 0xDFFFFFFF, 0x20000000);
    put_descriptor(8, 0, 0x0C, 0x8000000000, 0xBFFFFFFFFF, 0x4000000000);
    put_descriptor(4, 0, 0x0C, 0xC0000000, 0xCFFFFFFF, 0x10000000);
    scan();
    assert_int_equal(acpi.machine.bridge_range_count, 2);
    assert_true(has_range(0, 0xC0000000, 0xE0000000));
    assert_true(has_range(1, 0x8000000000, 0xC000000000));
}

/* A template that a method fills in, ports, bus numbers, what uses addresses and does not pass them
 * on, sizes that contradict, old video memory. */
static void other_descriptors_are_passed_over(void **state)
{
    (void)state;
    put_descriptor(4, 0, 0x0C, 0, 0, 0);
    put_descriptor(4, 1, 0x0C, 0xC0000000, 0xC00FFFFF, 0x100000);
    put_descriptor(4, 2, 0x0C, 0xC0000000, 0xC00FFFFF, 0x100000);
    put_descriptor(4, 0, 0x0D, 0xC0000000, 0xC00FFFFF, 0x100000);
    put_descriptor(4, 0, 0x04, 0xC0000000, 0xC00FFFFF, 0x100000);
    put_descriptor(4, 0, 0x0C, 0xC0000000, 0xC00FFFFF, 0x200000);
    put_descriptor(4, 0, 0x0C, 0xA0000, 0xBFFFF, 0x20000);
    put_descriptor(8, 0, 0x0C, 0x8000000000, UINT64_MAX, 0 - 0x8000000000u);
    scan();
    assert_int_equal(acpi.machine.bridge_range_count, 0);
}

static void a_descriptor_that_calls_itself_shorter_is_none(void **state)
{
    (void)state;
    put_descriptor(4, 0, 0x0C, 0xC0000000, 0xDFFFFFFF, 0x20000000);
    put(DSDT_PADDR + HEADER_BYTES + 1, 0x16, 2);
    scan();
    assert_int_equal(acpi.machine.bridge_range_count, 0);
    put(DSDT_PADDR + HEADER_BYTES + 1, 0x18, 2); /* it may have a source's name behind it */
    scan();
    assert_int_equal(acpi.machine.bridge_range_count, 1);
}

static void more_descriptors_than_can_be_listed_are_left_out(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < BRIDGE_RANGE_MAX + 1; i++) {
        put_descriptor(4, 0, 0x0C, 0xC0000000 + i * MIB, 0xC00FFFFF + i * MIB, MIB);
    }
    scan();
    assert_int_equal(acpi.machine.bridge_range_count, BRIDGE_RANGE_MAX);
}

static void configuration_space_is_found_by_name_and_by_method(void **state)
{
    (void)state;
    put_text("\x08_CBA\x0C");
    put_number(ECAM, 4);
    put_text("\x08_CBA\x0C"); /* the first counts */
    put_number(0xD0000000, 4);
    scan();
    assert_int_equal(acpi.dsdt_ecam_paddr, ECAM);

    begin_dsdt();
    put_text("\x14\x10_CBA");
    put_number(0, 1);
    put_text("\xA4\x0E");
    put_number(0x4000000000, 8);
    scan();
    assert_int_equal(acpi.dsdt_ecam_paddr, 0x4000000000);
}

static void names_without_a_usable_address_say_nothing(void **state)
{
    (void)state;
    put_text("\x08_CBA\x0C");
    put_number(ECAM + 0x1000, 4); /* not on a bus' boundary */
    put_text("\x14\x10_CBA");
    put_number(1, 1); /* a method with an argument */
    put_text("\xA4\x0C");
    put_number(ECAM, 4);
    put_text("\x14\x10_CBA");
    put_number(0, 1);
    put_text("\x70\x68\x69"); /* and one that calculates */
    put_text("\x08_CBA\x01");
    put_text("\x08_CBA");
    scan();
    assert_int_equal(acpi.dsdt_ecam_paddr, 0);
}

/* Also where the search's chunks meet, and cut off by the table's end. */
static void patterns_are_found_wherever_they_stand(void **state)
{
    (void)state;
    for (uint32_t at = HEADER_BYTES; at < 1100; at++) {
        begin_dsdt();
        memset(memory + DSDT_PADDR + HEADER_BYTES, 0, at);
        dsdt_bytes = at;
        put_descriptor(8, 0, 0x0C, 0x8000000000, 0xBFFFFFFFFF, 0x4000000000);
        put_text("\x08_CBA\x0C");
        put_number(ECAM, 4);
        scan();
        assert_int_equal(acpi.machine.bridge_range_count, 1);
        assert_true(has_range(0, 0x8000000000, 0xC000000000));
        assert_int_equal(acpi.dsdt_ecam_paddr, ECAM);

        dsdt_bytes -= 1;
        scan();
        assert_int_equal(acpi.dsdt_ecam_paddr, 0);
    }
}

/* Nothing is read or listed out of bounds, and each range is one that could be. */
static void noise_gives_possible_ranges_only(void **state)
{
    (void)state;
    srand(1);
    for (unsigned round = 0; round < 200; round++) {
        begin_dsdt();
        while (dsdt_bytes < DSDT_ROOM) {
            put_number((uint64_t)(rand() % 4 == 0 ? 0x87 + rand() % 4 : rand()) & 0xFF, 1);
        }
        scan();
        assert_true(acpi.machine.bridge_range_count <= BRIDGE_RANGE_MAX);
        for (unsigned i = 0; i < acpi.machine.bridge_range_count; i++) {
            const struct memory_range *range = &acpi.machine.bridge_ranges[i];

            assert_true(range->paddr >= MIB && range->paddr + range->bytes > range->paddr);
        }
    }
}

#define TEST(name) cmocka_unit_test_setup(name, reset)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(descriptors_of_memory_that_is_passed_on_are_listed_once),
        TEST(other_descriptors_are_passed_over),
        TEST(a_descriptor_that_calls_itself_shorter_is_none),
        TEST(more_descriptors_than_can_be_listed_are_left_out),
        TEST(configuration_space_is_found_by_name_and_by_method),
        TEST(names_without_a_usable_address_say_nothing),
        TEST(patterns_are_found_wherever_they_stand),
        TEST(noise_gives_possible_ranges_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
