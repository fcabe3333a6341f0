/* SPDX-License-Identifier: MIT */
/*
 * This node's clock (the TSC, calibrated at boot) and its one-shot timer (the local APIC's).
 */
#pragma once

#include "kernel/base.h"
#include "kernel/node.h"
#include "kernel/x86/cpu.h"

/* A node that works looks at its clock more often, and so does one whose timer has fired. Chosen.
 */
#define CLOCK_STANDSTILL_NS NS_PER_S

extern uint64_t clock_left_out_ns;  /* so long has the node stood still */
extern uint64_t clock_next_look_ns; /* at the latest, unless it stands still */

/* It has stood still, and it is not `now_ns`: returns what it is. */
uint64_t clock_leave_out(uint64_t now_ns);

/* Move the clock on to what the counter shows, less a standstill that shows itself now; returns the
 * time. Inline: some thirty times for a request. */
static inline uint64_t clock_advance_ns(void)
{
    const struct clock *clock = &node_info.clock;
    uint64_t ticks = cpu_read_tsc() - clock->tsc_at_zero;
    uint64_t now_ns =
        (uint64_t)((unsigned __int128)ticks * clock->ns_per_tick >> CLOCK_FRACTION_BITS) -
        clock_left_out_ns;

    if (UNLIKELY(now_ns > clock_next_look_ns)) {
        now_ns = clock_leave_out(now_ns);
    }
    clock_next_look_ns = now_ns + CLOCK_STANDSTILL_NS;
    return now_ns;
}

/* Choose how the timer is driven. After lapic_initialise(). */
void clock_initialise(void);
/* Before a sleep: interrupt this core at the deadline (UINT64_MAX: at none), or a little later. It
 * may come earlier, too: from a deadline that was set before, or because this one is farther than
 * the timer reaches. */
void clock_arm(uint64_t deadline_ns);
/* From the timer's interrupt. */
void clock_fired(void);
