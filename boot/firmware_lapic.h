/* SPDX-License-Identifier: MIT */
/*
 * What firmware has left in the local APIC of the core that boots. All other cores begin with an
 * INIT, after which their sources are masked and no interrupt is in service (SDM 3A 11.4.7).
 */
#pragma once

/* Mask sources that firmware has opened, and end interrupts that it has not. After
 * lapic_initialise(). */
void firmware_lapic_take_over(void);
