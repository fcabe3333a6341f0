/* SPDX-License-Identifier: MIT */
/*
 * What is counted of the clock's refinement.
 */
#pragma once

#include "kernel/message/counters.h"
#include "kernel/message/status.h"

/* clang-format off: a table */
/* X(ENUM, "name", "label or empty", "help") */
#define CLOCK_COUNTERS(X)                                                                          \
    X(CLOCK_BENT, "clock_looks_total", "result=\"bent\"",                                          \
      "Looks at the reference that changed the clock's rate, or did not.")                         \
    X(CLOCK_BLUNT, "clock_looks_total", "result=\"blunt\"",                                        \
      "Looks at the reference that changed the clock's rate, or did not.")                         \
    X(CLOCK_REFUSED, "clock_looks_total", "result=\"refused\"",                                    \
      "Looks at the reference that changed the clock's rate, or did not.")                         \
    X(DROP_BAD_CLOCK, "drops_total", "reason=\"bad_clock\"", "Input refused, by reason.")
/* clang-format on */

#define CLOCK_COUNTER_FIRST COUNTER_BLOCK(6)

enum { CLOCK_COUNTER_FIRST_BEFORE = CLOCK_COUNTER_FIRST - 1, CLOCK_COUNTERS(COUNTER_ENUMERATOR) };
