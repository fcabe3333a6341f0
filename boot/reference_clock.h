/* SPDX-License-Identifier: MIT */
/*
 * A clock of known rate, for boot: to wait by, and to measure the TSC and the local APIC's timer
 * with. The HPET, else ACPI's PM timer, else the PIT; on a machine without any of them the TSC, at
 * the rate that the processor or the hypervisor states.
 */
#pragma once

#include "kernel/base.h"

struct acpi;
struct clock;
struct reference;

/* Choose the clock and begin to measure. */
void reference_clock_start(const struct acpi *acpi);
const char *reference_clock_name(void);
/* Wait until so much time has passed since the measurement began. */
void reference_clock_wait_until_us(uint64_t us);
uint64_t reference_clock_now_us(void);
/* End the measurement, as soon as it is sharp enough, and fill in the rates of *clock, and what is
 * needed to go on with it. The later it is called, the sharper they are. */
void reference_clock_finish(struct clock *clock, struct reference *reference);
