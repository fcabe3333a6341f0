/* SPDX-License-Identifier: MIT */
/* sources: drivers/acpi/ioapic.c */
/* flags: -DMMIO_FAKE */
/*
 * drivers/acpi/ioapic.c on I/O APICs of which one is only in the tables.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/acpi/ioapic.h"
#include "kernel/component.h"
#include "kernel/log.h"
#include "kernel/node.h"
#include "kernel/x86/paging.h"
#include "libc/core/mmio.h"

#define LINES    24u
#define INDEXES  256u
#define ABSENT   0xFEC01000u
#define UNMAPPED 0xFEC02000u

struct node_info node_info;

/* What answers at 0xFEC00000; the address is its own. */
static uint8_t present[4096];
static uint8_t absent[4096];
static uint32_t index_register;
static uint32_t registers[INDEXES];
static unsigned access_count;
static unsigned stray_writes; /* so many go where another node's index points */

void log_write(enum log_level level, const char *subsystem, const char *format, ...)
{
    (void)level;
    (void)subsystem;
    (void)format;
}

void *paging_map_device(paddr_t paddr, size_t bytes)
{
    assert_int_equal(bytes, 4096);
    return paddr == UNMAPPED ? NULL : paddr == ABSENT ? absent : present;
}

uint32_t mmio_read32(const void *base, size_t offset)
{
    assert_true(access_count++ < 10000);
    assert_int_equal(offset, 0x10);
    return base == absent ? UINT32_MAX : registers[index_register];
}

void mmio_write32(void *base, size_t offset, uint32_t value)
{
    assert_true(access_count++ < 10000);
    if (base == absent) {
        return;
    }
    if (offset == 0) {
        assert_true(value < INDEXES);
        index_register = value;
    } else if (stray_writes > 0) {
        stray_writes--;
        registers[0xF0] = value;
    } else {
        registers[index_register] = value;
    }
}

static int reset(void **state)
{
    (void)state;
    memset(&node_info, 0, sizeof(node_info));
    memset(registers, 0, sizeof(registers));
    registers[1] = (LINES - 1) << 16 | 0x20;
    access_count = 0;
    stray_writes = 0;
    node_info.machine.ioapic_count = 3;
    node_info.machine.ioapics[0] = (struct ioapic){.paddr = UNMAPPED, .first_gsi = 100};
    node_info.machine.ioapics[1] = (struct ioapic){.paddr = ABSENT, .first_gsi = 24};
    node_info.machine.ioapics[2] = (struct ioapic){.paddr = 0xFEC00000, .first_gsi = 0};
    return 0;
}

static void all_lines_that_there_are_are_masked_at_boot(void **state)
{
    (void)state;
    components_run(BOOT_TABLES);
    for (unsigned line = 0; line < LINES; line++) {
        assert_int_equal(registers[0x10 + 2 * line], 0x10000);
    }
    assert_int_equal(registers[0x10 + 2 * LINES], 0);
}

static void a_line_goes_to_its_core_and_to_nobody_again(void **state)
{
    const struct irq_route route = {.gsi = 9, .is_active_low = true, .is_level = true};

    (void)state;
    assert_true(ioapic_route(&route, 7, 0x32));
    assert_int_equal(registers[0x10 + 18], 0xA032);
    assert_int_equal(registers[0x10 + 19], 7u << 24);
    ioapic_mask(&route);
    assert_int_equal(registers[0x10 + 18], 0x10000);
    assert_false(ioapic_route(&route, 0xFF, 0x32));
}

/* Two nodes share the index: what one writes may land where the other one has pointed it. */
static void a_route_that_another_node_has_disturbed_is_written_again(void **state)
{
    const struct irq_route route = {.gsi = 9};

    (void)state;
    for (stray_writes = 1; stray_writes < 6; stray_writes++) {
        unsigned count = stray_writes;

        registers[0x10 + 18] = registers[0x10 + 19] = 0x55;
        assert_true(ioapic_route(&route, 7, 0x32));
        assert_int_equal(registers[0x10 + 18], 0x32);
        assert_int_equal(registers[0x10 + 19], 7u << 24);
        stray_writes = count;
    }
    registers[0x10 + 18] = 0x55;
    stray_writes = 1000; /* it keeps nothing */
    assert_false(ioapic_route(&route, 7, 0x32));
}

static void a_line_of_an_ioapic_that_does_not_answer_is_refused(void **state)
{
    const struct irq_route routes[] = {{.gsi = 24}, {.gsi = 100}, {.gsi = UINT32_MAX}};

    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(routes); i++) {
        assert_false(ioapic_route(&routes[i], 7, 0x32));
        ioapic_mask(&routes[i]);
    }
    for (unsigned i = 0x10; i < INDEXES; i++) {
        assert_int_equal(registers[i], 0);
    }
}

#define TEST(name) cmocka_unit_test_setup(name, reset)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(all_lines_that_there_are_are_masked_at_boot),
        TEST(a_line_goes_to_its_core_and_to_nobody_again),
        TEST(a_route_that_another_node_has_disturbed_is_written_again),
        TEST(a_line_of_an_ioapic_that_does_not_answer_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
