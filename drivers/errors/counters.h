/* SPDX-License-Identifier: MIT */
/*
 * What is counted of page faults that are no error.
 */
#pragma once

#include "kernel/message/counters.h"
#include "kernel/message/status.h"

/* clang-format off: a table */
/* X(ENUM, "name", "label or empty", "help") */
#define FAULT_COUNTERS(X)                                                                          \
    X(SNAPSHOT_COPIED, "snapshot_faults_total", "result=\"copied\"",                               \
      "Writes to pages that were being sent, or had been.")                                        \
    X(SNAPSHOT_OPENED, "snapshot_faults_total", "result=\"opened\"",                               \
      "Writes to pages that were being sent, or had been.")
/* clang-format on */

#define FAULT_COUNTER_FIRST COUNTER_BLOCK(17)

enum { FAULT_COUNTER_FIRST_BEFORE = FAULT_COUNTER_FIRST - 1, FAULT_COUNTERS(COUNTER_ENUMERATOR) };
