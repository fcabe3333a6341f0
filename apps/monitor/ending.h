/* SPDX-License-Identifier: MIT */
/*
 * The machine's end at a person's wish: every node takes nothing new and finishes what it has, for
 * drain=SECONDS at most, then the machine is switched off.
 */
#pragma once

/* Begin; or, if that is under way, end it at once. */
void ending_power_off(void);
/* Start the machine again, at once. */
void ending_reboot(void);
