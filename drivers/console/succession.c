/* SPDX-License-Identifier: MIT */
/*
 * Who still writes to the console's devices, by the states on the nodes' status pages.
 */
#include "drivers/console/succession.h"

#include "drivers/console/serial_output.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "libc/core/cpu.h"

/* What serial_output_write_through() takes at most, and as much again for a screen and whoever
 * hosts a virtual machine. */
#define HELD_MAX_NS (2 * SERIAL_OUTPUT_WRITE_THROUGH_NS)

static uint64_t held_until_ns; /* 0: nobody holds it */

static bool is_held_below(unsigned end)
{
    for (unsigned node = 0; node < end; node++) {
        if (node != platform_node() && status_is_holding_console((node_id_t)node)) {
            return true;
        }
    }
    return false;
}

static bool is_held(unsigned end)
{
    uint64_t now_ns = platform_now_ns();

    if (!is_held_below(end)) {
        held_until_ns = 0;
        return false;
    }
    if (held_until_ns == 0) {
        held_until_ns = now_ns + HELD_MAX_NS;
    }
    return now_ns < held_until_ns;
}

bool succession_is_held(void)
{
    return is_held(platform_node_count());
}

void succession_wait_for_lower(void)
{
    while (is_held(platform_node())) {
        cpu_pause();
    }
}
