/* SPDX-License-Identifier: MIT */
/*
 * Fake platform: no test's node parks.
 */
#include "tests/unit/world/fake_park.h"

#include "kernel/platform.h"

bool fake_can_park;

bool platform_can_park(void)
{
    return fake_can_park;
}

_Noreturn void platform_park(void)
{
    PANIC("parks");
}
