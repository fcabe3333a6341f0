/* SPDX-License-Identifier: MIT */
/*
 * Fake platform: no test's node parks.
 */
#include "kernel/platform.h"

bool platform_can_park(void)
{
    return false;
}

_Noreturn void platform_park(void)
{
    PANIC("parks");
}
