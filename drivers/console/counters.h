/* SPDX-License-Identifier: MIT */
/*
 * What the console counts.
 */
#pragma once

#include "kernel/message/counters.h"
#include "kernel/message/status.h"

/* clang-format off: a table */
/* X(ENUM, "name", "label or empty", "help") */
#define CONSOLE_COUNTERS(X)                                                                        \
    X(CONSOLE_SERIAL_DROPPED, "console_lines_dropped_total", "device=\"serial\"",                  \
      "Lines that a device of the console was too slow for.")                                      \
    X(CONSOLE_SCREEN_DROPPED, "console_lines_dropped_total", "device=\"screen\"",                  \
      "Lines that a device of the console was too slow for.")
/* clang-format on */

#define CONSOLE_COUNTER_FIRST COUNTER_BLOCK(1)

enum {
    CONSOLE_COUNTER_FIRST_BEFORE = CONSOLE_COUNTER_FIRST - 1,
    CONSOLE_COUNTERS(COUNTER_ENUMERATOR)
};
