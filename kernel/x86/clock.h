/* SPDX-License-Identifier: MIT */
/*
 * This node's clock (the TSC, calibrated at boot) and its one-shot timer (the local APIC's).
 */
#pragma once

#include "kernel/base.h"

uint64_t clock_now_ns(void);

/* Choose how the timer is driven. After lapic_initialise(). */
void clock_initialise(void);
/* Interrupt this core at the deadline, or a little later. It may come earlier, too: from a deadline
 * that was set before, or because this one is farther than the timer reaches. */
void clock_arm(uint64_t deadline_ns);
/* From the timer's interrupt. */
void clock_fired(void);
