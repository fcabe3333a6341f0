/* SPDX-License-Identifier: MIT */
/* sources: drivers/acpi/button.c drivers/acpi/pm1.c */
/* flags: -DCPU_FAKE -DMMIO_FAKE */
/*
 * drivers/acpi/button.c on PM1 event blocks at ports: the button's bit is enabled alone, taken
 * once, and an interrupt that something else holds is given up.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/acpi/button.h"
#include "drivers/acpi/ioapic.h"
#include "drivers/acpi/power.h"
#include "drivers/vectors.h"
#include "kernel/log.h"
#include "kernel/node.h"
#include "kernel/platform.h"
#include "kernel/x86/paging.h"
#include "libc/core/cpu.h"
#include "libc/core/mmio.h"
#include "libc/core/port.h"

#define BLOCK_A 0x600
#define BLOCK_B 0x700
#define BUTTON  0x0100

struct node_info node_info;

/* Status and enable of the two blocks. */
static uint16_t status[2], enable[2];
static bool is_acpi_on;
static bool can_route;
static unsigned route_count, mask_count, log_count;
static uint64_t interrupts;
static unsigned read_count;

static uint16_t *enable_of(uint16_t port)
{
    return port == BLOCK_A + 2 ? &enable[0] : port == BLOCK_B + 2 ? &enable[1] : NULL;
}

uint16_t port_read16(uint16_t port)
{
    read_count++;
    assert_true(port == BLOCK_A || port == BLOCK_B);
    return status[port == BLOCK_B];
}

/* A one clears a status bit. */
void port_write16(uint16_t port, uint16_t value)
{
    if (enable_of(port) != NULL) {
        *enable_of(port) = value;
        return;
    }
    assert_true(port == BLOCK_A || port == BLOCK_B);
    status[port == BLOCK_B] &= (uint16_t)~value;
}

void *paging_map_device(paddr_t paddr, size_t bytes)
{
    (void)paddr;
    (void)bytes;
    fail_msg("nothing lies in memory here");
    return NULL;
}

uint16_t mmio_read16(const void *base, size_t offset)
{
    (void)base;
    (void)offset;
    return 0;
}

void mmio_write16(void *base, size_t offset, uint16_t value)
{
    (void)base;
    (void)offset;
    (void)value;
}

void power_enable_acpi(void)
{
    is_acpi_on = true;
}

bool ioapic_route(const struct irq_route *route, uint32_t apic_id, uint8_t vector)
{
    assert_ptr_equal(route, &node_info.machine.power.sci);
    assert_int_equal(apic_id, 77);
    assert_int_equal(vector, INTERRUPT_VECTOR_SCI);
    route_count += can_route;
    return can_route;
}

void ioapic_mask(const struct irq_route *route)
{
    assert_ptr_equal(route, &node_info.machine.power.sci);
    mask_count++;
}

uint32_t interrupt_apic_id(node_id_t node)
{
    (void)node;
    return 77;
}

uint64_t interrupt_count(uint8_t vector)
{
    assert_int_equal(vector, INTERRUPT_VECTOR_SCI);
    return interrupts;
}

void log_write(enum log_level level, const char *subsystem, const char *format, ...)
{
    (void)level;
    (void)subsystem;
    (void)format;
    log_count++;
}

/* --- */

static uint64_t now_ns; /* goes on from test to test */

static int begin(void **state)
{
    struct power_registers *power = &node_info.machine.power;

    (void)state;
    memset(&node_info, 0, sizeof(node_info));
    power->pm1a_event = (struct power_register){REGISTER_PORT, BLOCK_A};
    power->event_bytes = 4;
    memset(status, 0, sizeof(status));
    enable[0] = enable[1] = 0x0721; /* as firmware left them */
    is_acpi_on = false;
    can_route = true;
    route_count = mask_count = log_count = 0;
    now_ns += NS_PER_S;
    return 0;
}

static bool is_pressed(void)
{
    return power_button_is_pressed(now_ns);
}

static void nothing_is_looked_at_before_the_start(void **state)
{
    (void)state;
    status[0] = BUTTON;
    interrupts++;
    assert_false(is_pressed());
    assert_int_equal(status[0], BUTTON);
}

static void the_buttons_event_alone_is_enabled_and_what_was_before_forgotten(void **state)
{
    (void)state;
    node_info.machine.power.pm1b_event = (struct power_register){REGISTER_PORT, BLOCK_B};
    status[0] = BUTTON;
    power_button_start();
    assert_true(is_acpi_on);
    assert_int_equal(route_count, 1);
    assert_int_equal(enable[0], BUTTON);
    assert_int_equal(enable[1], BUTTON);
    assert_false(is_pressed());
}

static void a_press_in_either_block_is_told_of_once(void **state)
{
    (void)state;
    node_info.machine.power.pm1b_event = (struct power_register){REGISTER_PORT, BLOCK_B};
    power_button_start();
    for (unsigned block = 0; block < 2; block++) {
        status[block] = BUTTON | 0x0001;
        interrupts++;
        assert_true(is_pressed());
        assert_int_equal(status[block], 0x0001); /* the line falls; other bits are not ours */
        assert_false(is_pressed());
    }
}

/* A node that always works takes no interrupts. */
static void without_an_interrupt_it_is_looked_at_now_and_then(void **state)
{
    (void)state;
    power_button_start();
    (void)is_pressed();
    read_count = 0;
    for (unsigned i = 0; i < 50; i++) {
        now_ns += NS_PER_MS;
        assert_false(is_pressed());
    }
    assert_int_equal(read_count, 0);
    status[0] = BUTTON;
    now_ns += NS_PER_S;
    assert_true(is_pressed());
}

/* A level that nobody lets fall would end each sleep at once. */
static void an_interrupt_that_something_else_holds_is_given_up(void **state)
{
    unsigned i = 0;

    (void)state;
    power_button_start();
    while (mask_count == 0) {
        assert_true(i++ < 1000);
        interrupts++;
        assert_false(is_pressed());
    }
    assert_int_equal(log_count, 1);
    interrupts++;
    assert_false(is_pressed());
    assert_int_equal(mask_count, 1);
    status[0] = BUTTON;
    now_ns += NS_PER_S;
    assert_true(is_pressed()); /* it is still heard */
}

static void without_a_route_it_is_heard_by_looking_and_the_log_says_so(void **state)
{
    (void)state;
    can_route = false;
    power_button_start();
    assert_int_equal(log_count, 1);
    status[0] = BUTTON;
    now_ns += NS_PER_S;
    assert_true(is_pressed());
}

static void a_machine_without_such_a_button_is_told_of(void **state)
{
    (void)state;
    node_info.machine.power.pm1a_event.space = REGISTER_NONE;
    power_button_start();
    assert_int_equal(log_count, 1);
    assert_false(is_acpi_on);
    assert_int_equal(enable[0], 0x0721);
}

#define TEST(name) cmocka_unit_test_setup(name, begin)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nothing_is_looked_at_before_the_start),
        TEST(the_buttons_event_alone_is_enabled_and_what_was_before_forgotten),
        TEST(a_press_in_either_block_is_told_of_once),
        TEST(without_an_interrupt_it_is_looked_at_now_and_then),
        TEST(an_interrupt_that_something_else_holds_is_given_up),
        TEST(without_a_route_it_is_heard_by_looking_and_the_log_says_so),
        TEST(a_machine_without_such_a_button_is_told_of),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
