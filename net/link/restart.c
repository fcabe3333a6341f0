/* SPDX-License-Identifier: MIT */
/*
 * How often a NIC that has given up is started anew: the times of the last starts.
 */
#include "net/link/restart.h"

bool link_restart_admit(uint64_t now_ns)
{
    static uint64_t times_ns[LINK_RESTART_MAX]; /* a ring */
    static unsigned count;
    uint64_t *oldest_ns = &times_ns[count % LINK_RESTART_MAX];

    if (count >= LINK_RESTART_MAX && now_ns - *oldest_ns < LINK_RESTART_PERIOD_NS) {
        return false;
    }
    *oldest_ns = now_ns;
    count++;
    return true;
}
