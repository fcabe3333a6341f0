/* SPDX-License-Identifier: MIT */
/*
 * This node's clock (the TSC, calibrated at boot) and its one-shot timer (the local APIC's).
 */
#pragma once

#include "kernel/base.h"
#include "kernel/node.h"
#include "libc/core/cpu.h"

/* A node that works looks at its clock more often, as does one whose timer has fired. Chosen. */
#define CLOCK_STANDSTILL_NS NS_PER_S

extern int64_t clock_offset_ns;     /* of the line that the clock follows, less the next */
extern uint64_t clock_left_out_ns;  /* so long has the node stood still */
extern uint64_t clock_next_look_ns; /* at the latest, unless it stands still */

/* It has stood still since `resumed_ns`, and it is not `now_ns`: returns what it is. */
uint64_t clock_leave_out(uint64_t now_ns, uint64_t resumed_ns);

/* The line that the clock follows, as far as the counter has come. */
static inline uint64_t clock_line_ns(void)
{
    const struct clock *clock = &node_info.clock;
    uint64_t ticks = cpu_read_tsc() - clock->tsc_at_zero;

    return (uint64_t)((unsigned __int128)ticks * clock->ns_per_tick >> CLOCK_FRACTION_BITS) +
           (uint64_t)clock_offset_ns;
}

/* Move the clock on to what the counter shows, less a standstill that shows itself now; returns the
 * time. Inline: some thirty times for a request. */
static inline uint64_t clock_advance_ns(void)
{
    uint64_t now_ns = clock_line_ns();

    if (UNLIKELY(now_ns > clock_next_look_ns)) {
        now_ns = clock_leave_out(now_ns, clock_next_look_ns);
    }
    clock_next_look_ns = now_ns + CLOCK_STANDSTILL_NS;
    return now_ns;
}

/* Time as a line over the TSC: boot's is that of node_info.clock. The same on all nodes. */
struct clock_line {
    int64_t rate_change; /* of ns_per_tick, in its unit */
    int64_t offset_ns;   /* at node_info.clock.tsc_at_zero */
};

/* Follow this line from now on. The clock does not go back: where the line is behind, it stands.
 * Nor does it go on at once by more than so much. */
void clock_follow(struct clock_line line, uint64_t step_max_ns);
/* Choose how the timer is driven. After interrupt_initialise(). */
void clock_initialise(void);
/* Before a sleep: interrupt this core at the deadline (UINT64_MAX: at none), or a little later; or
 * earlier: for a deadline set before, or because this one is farther than the timer reaches. */
void clock_arm(uint64_t deadline_ns, uint64_t now_ns);
/* The time after a sleep. One that ends too late may have been a standstill from its begin on: then
 * all of it is left out, and no time-out is over. Of two in a row the second counts until its
 * timer: there the node gets too little of a core, and a time-out must be over some day. */
uint64_t clock_woken(void);
/* From the timer's interrupt. */
void clock_fired(void);
