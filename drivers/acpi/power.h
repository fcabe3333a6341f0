/* SPDX-License-Identifier: MIT */
/*
 * The machine's ends: power-off, reset, and QEMU's exit port when the command line names it.
 */
#pragma once

/* What `isa-debug-exit` is given (QEMU then ends with twice that plus one). */
enum power_exit_code {
    POWER_EXIT_PASS = 0x10,
    POWER_EXIT_PANIC = 0x12,
};

/* End the emulator with this status. Returns when the command line has no `debug_exit=PORT`: on
 * real boards the port may be another device's. */
void power_exit(enum power_exit_code code);
/* Returns when the machine has no way to do it. */
void power_off(void);
/* Take ACPI over from firmware, if that is still to be done: from then on its events interrupt.
 * Waits, but never for ever. */
void power_enable_acpi(void);
/* By the register that firmware names, else by those of the chipset and the keyboard controller,
 * else by a fault that no core survives. */
void power_reset(void);
