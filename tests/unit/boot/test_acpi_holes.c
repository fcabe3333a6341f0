/* SPDX-License-Identifier: MIT */
/* sources: boot/acpi/holes.c tests/unit/world/panic.c */
/*
 * boot/acpi/holes.c against memory maps built here, random ones included: holes in which nothing
 * lies, and configuration space that is not memory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "boot/acpi/holes.h"
#include "kernel/log.h"
#include "kernel/platform.h"

#define ADDRESS_BITS 40u
#define LOW_HOLE_END 0xFEC00000u
#define LOW_MEMORY   0x40000000u
#define ECAM         0xE0000000u
#define HIGH_END     (1ull << ADDRESS_BITS)

static struct acpi acpi;
static struct boot_info info;
static struct machine machine;

static unsigned warning_count;

void log_write(enum log_level level, const char *subsystem, const char *format, ...)
{
    (void)subsystem;
    (void)format;
    assert_int_equal(level, LOG_WARNING);
    warning_count++;
}

static void add_range(paddr_t paddr, uint64_t bytes, bool is_usable)
{
    info.ranges[info.range_count++] =
        (struct boot_range){.range = {paddr, bytes}, .is_usable = is_usable};
}

static int reset(void **state)
{
    (void)state;
    memset(&acpi, 0, sizeof(acpi));
    memset(&info, 0, sizeof(info));
    memset(&machine, 0, sizeof(machine));
    warning_count = 0;
    add_range(0, LOW_MEMORY, true);
    return 0;
}

static void find(void)
{
    acpi_find_holes(&machine, &acpi, &info, ADDRESS_BITS);
}

static bool has_hole(paddr_t start, paddr_t end)
{
    for (unsigned i = 0; i < machine.hole_count; i++) {
        if (machine.holes[i].paddr == start &&
            machine.holes[i].paddr + machine.holes[i].bytes == end) {
            return true;
        }
    }
    return false;
}

static void holes_are_what_memory_and_tables_leave(void **state)
{
    (void)state;
    add_range(0x100000000, 0x40000000, true);
    add_range(LOW_MEMORY, 0x100000, false);
    machine.ecams[0] = (struct ecam){.paddr = ECAM, .last_bus = 0xFF};
    machine.ecam_count = 1;
    find();
    assert_int_equal(machine.low_memory_end, LOW_MEMORY);
    assert_int_equal(machine.high_memory_end, 0x140000000);
    assert_int_equal(machine.hole_count, 3);
    assert_true(has_hole(LOW_MEMORY + 0x100000, ECAM));
    assert_true(has_hole(0xF0000000, LOW_HOLE_END));
    assert_true(has_hole(0x140000000, HIGH_END));
}

static void what_is_used_is_cut_out_by_whole_units(void **state)
{
    (void)state;
    add_range(0xC8000000, 0x1234, false);
    acpi.hpet_paddr = 0xD0000000;
    machine.ioapics[0].paddr = 0xE00FF000;
    machine.ioapic_count = 1;
    find();
    assert_int_equal(machine.hole_count, 5);
    assert_true(has_hole(LOW_MEMORY, 0xC8000000));
    assert_true(has_hole(0xC8100000, 0xD0000000));
    assert_true(has_hole(0xD0100000, 0xE0000000));
    assert_true(has_hole(0xE0100000, LOW_HOLE_END));
    assert_true(has_hole(0x100000000, HIGH_END));
}

/* Nobody knows what to do with 2 or 63 bits. */
static void an_impossible_width_of_addresses_is_the_least_that_there_is(void **state)
{
    static const unsigned widths[] = {0, 2, 35, 53, 63, 255};

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(widths); i++) {
        acpi_find_holes(&machine, &acpi, &info, widths[i]);
        assert_int_equal(machine.hole_count, 2);
        assert_true(has_hole(0x100000000, 1ull << 36));
    }
}

static void the_dsdts_configuration_space_is_taken_and_is_no_hole(void **state)
{
    (void)state;
    acpi.dsdt_ecam_paddr = ECAM;
    find();
    assert_int_equal(machine.ecam_count, 1);
    assert_int_equal(machine.ecams[0].paddr, ECAM);
    assert_int_equal(machine.ecams[0].last_bus, 255);
    assert_false(has_hole(LOW_MEMORY, LOW_HOLE_END));
    assert_true(has_hole(LOW_MEMORY, ECAM));
}

static void the_mcfg_wins_over_the_dsdt(void **state)
{
    (void)state;
    machine.ecams[0] = (struct ecam){.paddr = 0xB0000000, .last_bus = 0x3F};
    machine.ecam_count = 1;
    acpi.dsdt_ecam_paddr = ECAM;
    find();
    assert_int_equal(machine.ecam_count, 1);
    assert_int_equal(machine.ecams[0].paddr, 0xB0000000);
}

static void configuration_space_in_memory_is_dropped_and_the_dsdts_taken(void **state)
{
    (void)state;
    machine.ecams[0] = (struct ecam){.paddr = LOW_MEMORY - MIB, .first_bus = 1, .last_bus = 3};
    machine.ecams[1] = (struct ecam){.paddr = LOW_MEMORY - MIB, .last_bus = 3};
    machine.ecams[2] = (struct ecam){.paddr = 0 - 2 * MIB, .last_bus = 3};
    machine.ecam_count = 3;
    find();
    assert_int_equal(machine.ecam_count, 1);
    assert_int_equal(machine.ecams[0].first_bus, 1);
    assert_int_equal(warning_count, 2);

    machine.ecams[0] = (struct ecam){.paddr = MIB, .last_bus = 0};
    acpi.dsdt_ecam_paddr = ECAM;
    find();
    assert_int_equal(machine.ecam_count, 1);
    assert_int_equal(machine.ecams[0].paddr, ECAM);
    assert_int_equal(warning_count, 3);
}

static void a_dsdt_that_names_memory_is_not_believed(void **state)
{
    (void)state;
    acpi.dsdt_ecam_paddr = LOW_MEMORY - MIB;
    find();
    assert_int_equal(machine.ecam_count, 0);
    assert_int_equal(warning_count, 1);
}

/* The end of memory would be rounded up to address 0. */
static void memory_at_the_very_end_of_the_address_space_leaves_no_hole_above(void **state)
{
    (void)state;
    add_range(UINT64_MAX - 0xFFFFF, 0xFFFFF, true);
    find();
    assert_int_equal(machine.hole_count, 1);
    assert_true(has_hole(LOW_MEMORY, LOW_HOLE_END));
}

static void whatever_the_map_says_nothing_lies_in_a_hole(void **state)
{
    (void)state;
    srand(1);
    for (unsigned round = 0; round < 500; round++) {
        reset(state);
        for (unsigned i = 0; i < 20; i++) {
            add_range((uint64_t)rand() << rand() % 33, (uint64_t)rand() << rand() % 33,
                      rand() % 2 == 0);
        }
        find();
        assert_true(machine.hole_count <= MEMORY_HOLE_MAX);
        for (unsigned i = 0; i < machine.hole_count; i++) {
            paddr_t start = machine.holes[i].paddr;
            paddr_t end = start + machine.holes[i].bytes;

            assert_true(start < end && start >= machine.low_memory_end && end <= HIGH_END);
            assert_true(end <= LOW_HOLE_END || start >= machine.high_memory_end);
            for (unsigned j = 0; j < info.range_count; j++) {
                const struct memory_range *range = &info.ranges[j].range;

                assert_true(range->paddr >= end || range->paddr + range->bytes <= start);
            }
        }
    }
}

#define TEST(name) cmocka_unit_test_setup(name, reset)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(holes_are_what_memory_and_tables_leave),
        TEST(what_is_used_is_cut_out_by_whole_units),
        TEST(an_impossible_width_of_addresses_is_the_least_that_there_is),
        TEST(the_dsdts_configuration_space_is_taken_and_is_no_hole),
        TEST(the_mcfg_wins_over_the_dsdt),
        TEST(configuration_space_in_memory_is_dropped_and_the_dsdts_taken),
        TEST(a_dsdt_that_names_memory_is_not_believed),
        TEST(memory_at_the_very_end_of_the_address_space_leaves_no_hole_above),
        TEST(whatever_the_map_says_nothing_lies_in_a_hole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
