/* SPDX-License-Identifier: MIT */
/*
 * The PM1 event registers, of which only the power button's bit is enabled, and the system control
 * interrupt, a level: it comes again as long as a status bit stands.
 */
#include "drivers/acpi/button.h"

#include "drivers/acpi/ioapic.h"
#include "drivers/acpi/pm1.h"
#include "drivers/acpi/power.h"
#include "drivers/vectors.h"
#include "kernel/log.h"
#include "kernel/node.h"
#include "kernel/platform.h"
#include "libc/core/bits.h"

/* PM1 status and enable (ACPI 4.8.4.1.1, 4.8.4.1.2). */
#define PM1_POWER_BUTTON BIT(8) /* status: W1C */

/* A node too busy to take interrupts still hears the button. Chosen: short for a person. */
#define LOOK_NS   (100 * NS_PER_MS)
/* Interrupts in a row that the button has not raised. Chosen: something else keeps the line for
 * good then, and would keep the node from sleeping. */
#define STRAY_MAX 100u

static bool is_started;
static bool is_routed;
static uint64_t next_look_ns;
static uint64_t interrupts_seen;
static unsigned stray_count;

static void write_event(unsigned offset, uint16_t value)
{
    const struct power_registers *power = &node_info.machine.power;

    pm1_write(&power->pm1a_event, offset, value);
    if (pm1_is_there(&power->pm1b_event)) {
        pm1_write(&power->pm1b_event, offset, value);
    }
}

/* Whether the bit stood; it falls. */
static bool take_status(void)
{
    const struct power_registers *power = &node_info.machine.power;
    uint16_t status = pm1_read(&power->pm1a_event, 0);

    if (pm1_is_there(&power->pm1b_event)) {
        status |= pm1_read(&power->pm1b_event, 0);
    }
    if ((status & PM1_POWER_BUTTON) == 0) {
        return false;
    }
    write_event(0, PM1_POWER_BUTTON);
    return true;
}

void power_button_start(void)
{
    const struct power_registers *power = &node_info.machine.power;

    if (!pm1_is_there(&power->pm1a_event)) {
        log_info("power", "this machine's power button is not one of ACPI's fixed events: it is "
                          "not heard");
        return;
    }
    power_enable_acpi();
    write_event(power->event_bytes / 2, PM1_POWER_BUTTON); /* and nothing else any more */
    (void)take_status(); /* what was pressed before there was anybody to hear it */
    interrupts_seen = interrupt_count(INTERRUPT_VECTOR_SCI);
    is_started = true;
    is_routed = ioapic_route(&power->sci, interrupt_apic_id(node_info.node), INTERRUPT_VECTOR_SCI);
    if (!is_routed) {
        log_warning("power", "the power button's interrupt cannot be routed: it is heard when the "
                             "node is awake");
    }
}

/* It cannot be told what else holds the line: whoever does is not ours. */
static void count_stray(void)
{
    stray_count++;
    if (is_routed && stray_count == STRAY_MAX) {
        ioapic_mask(&node_info.machine.power.sci);
        is_routed = false;
        log_warning("power", "something else than the power button holds ACPI's interrupt: "
                             "switched off, the button is heard when the node is awake");
    }
}

bool power_button_is_pressed(uint64_t now_ns)
{
    uint64_t interrupts = interrupt_count(INTERRUPT_VECTOR_SCI);
    bool is_interrupted = interrupts != interrupts_seen;

    if (!is_started || (!is_interrupted && now_ns < next_look_ns)) {
        return false;
    }
    interrupts_seen = interrupts;
    next_look_ns = now_ns + LOOK_NS;
    if (take_status()) {
        stray_count = 0;
        return true;
    }
    if (is_interrupted) {
        count_stray();
    }
    return false;
}
