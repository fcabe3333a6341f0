/* SPDX-License-Identifier: MIT */
/*
 * This node's clock (the TSC, calibrated at boot) and its one-shot timer (the local APIC's).
 */
#pragma once

#include "kernel/base.h"

uint64_t clock_now_ns(void);
extern uint64_t clock_left_out_ns; /* so long has the node stood still */

/* Choose how the timer is driven. After lapic_initialise(). */
void clock_initialise(void);
/* Before a sleep: interrupt this core at the deadline (UINT64_MAX: at none), or a little later. It
 * may come earlier, too: from a deadline that was set before, or because this one is farther than
 * the timer reaches. */
void clock_arm(uint64_t deadline_ns);
/* From the timer's interrupt. */
void clock_fired(void);
