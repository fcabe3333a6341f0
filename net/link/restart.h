/* SPDX-License-Identifier: MIT */
/*
 * A NIC that has given up is started anew, but not for ever: one that soon gives up again would
 * cost its node more than it moves.
 */
#pragma once

#include "kernel/base.h"

/* Chosen: one that fails by chance does so seldom, and one that is out of order at once. */
#define LINK_RESTART_MAX       3u
#define LINK_RESTART_PERIOD_NS (60 * NS_PER_S)

/* Whether it may be started anew now: so often within any such time. Counts it then. */
MUST_CHECK bool link_restart_admit(uint64_t now_ns);
