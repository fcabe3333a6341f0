/* SPDX-License-Identifier: MIT */
/*
 * drivers/acpi/power.h and button.h for a program: it ends, and nobody can press anything.
 */
#include "drivers/acpi/power.h"

#include "drivers/acpi/button.h"
#include "kernel/hosted/linux.h"

void power_exit(enum power_exit_code code)
{
    linux_exit(code == POWER_EXIT_PASS ? 0 : 1);
}

void power_off(void)
{
    linux_exit(0);
}

void power_enable_acpi(void)
{
}

/* Whoever started the program can start it again. */
void power_reset(void)
{
    linux_exit(0);
}

void power_button_start(void)
{
}

bool power_button_is_pressed(uint64_t now_ns)
{
    (void)now_ns;
    return false;
}
