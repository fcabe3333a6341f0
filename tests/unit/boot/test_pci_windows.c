/* SPDX-License-Identifier: MIT */
/* sources: boot/acpi/windows.c */
/*
 * boot/acpi/windows.c against memory maps and DSDTs built here, byte patterns that only look like
 * something included.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "boot/acpi/windows.h"
#include "kernel/log.h"

#define DSDT_PADDR   0x7000000u
#define DSDT_BYTES   4096u
#define ADDRESS_BITS 40u
#define LOW_HOLE_END 0xFEC00000u
#define LOW_MEMORY   0x40000000u
#define ECAM         0xE0000000u
#define HIGH_END     (1ull << ADDRESS_BITS)

static uint8_t dsdt[DSDT_BYTES];
static size_t dsdt_bytes;
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

static bool read_dsdt(void *context, paddr_t paddr, void *buffer, size_t bytes)
{
    (void)context;
    assert_true(paddr >= DSDT_PADDR && paddr + bytes <= DSDT_PADDR + dsdt_bytes);
    memcpy(buffer, &dsdt[paddr - DSDT_PADDR], bytes);
    return true;
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
    dsdt_bytes = 0;
    warning_count = 0;
    add_range(0, LOW_MEMORY, true);
    return 0;
}

static void find(void)
{
    acpi.dsdt = (struct memory_range){DSDT_PADDR, dsdt_bytes};
    pci_windows_find(&machine, &acpi, &info, ADDRESS_BITS, read_dsdt, NULL);
}

static bool has_window(paddr_t start, paddr_t end)
{
    for (unsigned i = 0; i < machine.pci_window_count; i++) {
        if (machine.pci_windows[i].paddr == start &&
            machine.pci_windows[i].paddr + machine.pci_windows[i].bytes == end) {
            return true;
        }
    }
    return false;
}

static void put(uint64_t value, unsigned bytes)
{
    assert_true(dsdt_bytes + bytes <= DSDT_BYTES);
    for (unsigned i = 0; i < bytes; i++) {
        dsdt[dsdt_bytes++] = (uint8_t)(value >> 8 * i);
    }
}

/* A descriptor of an address space; type 0 is memory, flags 0x0C an end that is fixed at both. */
static void put_descriptor(unsigned width, uint8_t type, uint8_t flags, uint64_t first,
                           uint64_t last, uint64_t size)
{
    put(width == 4 ? 0x87 : 0x8A, 1);
    put(width == 4 ? 0x17 : 0x2B, 2);
    put(type, 1);
    put(flags, 1);
    put(0, 1);
    put(0, width);
    put(first, width);
    put(last, width);
    put(0, width);
    put(size, width);
}

static void put_text(const char *text)
{
    memcpy(&dsdt[dsdt_bytes], text, strlen(text));
    dsdt_bytes += strlen(text);
}

static void without_a_dsdt_it_is_what_memory_leaves(void **state)
{
    (void)state;
    add_range(0x100000000, 0x40000000, true);
    add_range(LOW_MEMORY, 0x100000, false);
    machine.ecams[0] = (struct ecam){.paddr = ECAM, .last_bus = 0xFF};
    machine.ecam_count = 1;
    find();
    assert_int_equal(machine.low_memory_end, LOW_MEMORY);
    assert_int_equal(machine.high_memory_end, 0x140000000);
    assert_int_equal(machine.pci_window_count, 3);
    assert_true(has_window(LOW_MEMORY + 0x100000, ECAM));
    assert_true(has_window(0xF0000000, LOW_HOLE_END));
    assert_true(has_window(0x140000000, HIGH_END));
}

static void windows_of_the_dsdt_are_taken_less_what_is_used(void **state)
{
    (void)state;
    put_descriptor(4, 0, 0x0C, 0xC0000000, 0xDFFFFFFF, 0x20000000);
    put_descriptor(8, 0, 0x0C, 0x8000000000, 0xBFFFFFFFFF, 0x4000000000);
    add_range(0xC8000000, 0x1234, false);
    find();
    assert_int_equal(machine.pci_window_count, 3);
    assert_true(has_window(0xC0000000, 0xC8000000));
    assert_true(has_window(0xC8100000, 0xE0000000));
    assert_true(has_window(0x8000000000, 0xC000000000));
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
    put_descriptor(4, 0, 0x0C, 0xC0000000, 0xC00FFFFF, 0x200000);
    put_descriptor(4, 0, 0x0C, 0xA0000, 0xBFFFF, 0x20000);
    put_descriptor(8, 0, 0x0C, 0x8000000000, UINT64_MAX, 0 - 0x8000000000u);
    find();
    assert_int_equal(machine.pci_window_count, 2);
    assert_true(has_window(LOW_MEMORY, LOW_HOLE_END));
    assert_true(has_window(0x100000000, HIGH_END));
}

static void memory_within_a_window_and_what_no_core_can_address_are_not_offered(void **state)
{
    (void)state;
    put_descriptor(4, 0, 0x0C, 0x100000, 0xFEBFFFFF, 0xFEB00000);
    put_descriptor(8, 0, 0x0C, 0x100000000, 0xFFFFFFFFFFFF, 0xFFFF00000000);
    add_range(0x100000000, 0x40000000, true);
    find();
    assert_int_equal(machine.pci_window_count, 2);
    assert_true(has_window(LOW_MEMORY, LOW_HOLE_END));
    assert_true(has_window(0x140000000, HIGH_END));
}

static void configuration_space_is_found_by_name_and_by_method(void **state)
{
    (void)state;
    put_text("\x08_CBA\x0C");
    put(ECAM, 4);
    find();
    assert_int_equal(machine.ecam_count, 1);
    assert_int_equal(machine.ecams[0].paddr, ECAM);
    assert_int_equal(machine.ecams[0].last_bus, 255);
    assert_false(has_window(LOW_MEMORY, LOW_HOLE_END)); /* it lies within */

    reset(state);
    put_text("\x14\x10_CBA");
    put(0, 1);
    put_text("\xA4\x0E");
    put(0x4000000000, 8);
    find();
    assert_int_equal(machine.ecam_count, 1);
    assert_int_equal(machine.ecams[0].paddr, 0x4000000000);
}

static void the_mcfg_wins_over_the_dsdt(void **state)
{
    (void)state;
    machine.ecams[0] = (struct ecam){.paddr = 0xB0000000, .last_bus = 0x3F};
    machine.ecam_count = 1;
    put_text("\x08_CBA\x0C");
    put(ECAM, 4);
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
    put_text("\x08_CBA\x0C");
    put(ECAM, 4);
    find();
    assert_int_equal(machine.ecam_count, 1);
    assert_int_equal(machine.ecams[0].paddr, ECAM);
    assert_int_equal(warning_count, 3);
}

static void names_without_a_usable_address_say_nothing(void **state)
{
    (void)state;
    put_text("\x08_CBA\x0C");
    put(ECAM + 0x1000, 4); /* not on a bus' boundary */
    put_text("\x14\x10_CBA");
    put(1, 1); /* a method with an argument */
    put_text("\xA4\x0C");
    put(ECAM, 4);
    put_text("\x14\x10_CBA");
    put(0, 1);
    put_text("\x70\x68\x69"); /* and one that calculates */
    put_text("\x08_CBA\x01");
    put_text("\x08_CBA");
    find();
    assert_int_equal(machine.ecam_count, 0);
}

/* Also where the search's chunks meet, and cut off by the table's end. */
static void patterns_are_found_wherever_they_stand(void **state)
{
    (void)state;
    for (size_t at = 400; at < 600; at++) {
        reset(state);
        memset(dsdt, 0, sizeof(dsdt));
        dsdt_bytes = at;
        put_descriptor(8, 0, 0x0C, 0x8000000000, 0xBFFFFFFFFF, 0x4000000000);
        put_text("\x08_CBA\x0C");
        put(ECAM, 4);
        find();
        assert_true(has_window(0x8000000000, 0xC000000000));
        assert_int_equal(machine.ecam_count, 1);

        dsdt_bytes -= 1;
        memset(&machine, 0, sizeof(machine));
        find();
        assert_int_equal(machine.ecam_count, 0);
    }
}

static void noise_leaves_sound_windows_only(void **state)
{
    (void)state;
    srand(1);
    for (unsigned round = 0; round < 200; round++) {
        reset(state);
        dsdt_bytes = DSDT_BYTES;
        for (unsigned i = 0; i < DSDT_BYTES; i++) {
            dsdt[i] = (uint8_t)(rand() % 4 == 0 ? 0x87 + rand() % 4 : rand());
        }
        for (unsigned i = 0; i < 20; i++) {
            add_range((uint64_t)rand() << rand() % 33, (uint64_t)rand() << rand() % 33,
                      rand() % 2 == 0);
        }
        find();
        assert_true(machine.pci_window_count <= PCI_WINDOW_MAX);
        for (unsigned i = 0; i < machine.pci_window_count; i++) {
            paddr_t start = machine.pci_windows[i].paddr;
            paddr_t end = start + machine.pci_windows[i].bytes;

            assert_true(start < end && start >= machine.low_memory_end && end <= HIGH_END);
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
        TEST(without_a_dsdt_it_is_what_memory_leaves),
        TEST(windows_of_the_dsdt_are_taken_less_what_is_used),
        TEST(other_descriptors_are_passed_over),
        TEST(memory_within_a_window_and_what_no_core_can_address_are_not_offered),
        TEST(configuration_space_is_found_by_name_and_by_method),
        TEST(the_mcfg_wins_over_the_dsdt),
        TEST(configuration_space_in_memory_is_dropped_and_the_dsdts_taken),
        TEST(names_without_a_usable_address_say_nothing),
        TEST(patterns_are_found_wherever_they_stand),
        TEST(noise_leaves_sound_windows_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
