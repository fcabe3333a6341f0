/* SPDX-License-Identifier: MIT */
/*
 * What is counted of what programs send.
 */
#pragma once

#include "kernel/message/counters.h"
#include "kernel/message/status.h"

/* clang-format off: a table */
/* X(ENUM, "name", "label or empty", "help") */
#define STREAM_COUNTERS(X)                                                                         \
    X(SENT_COPIED, "send_bytes_total", "way=\"copied\"",                                           \
      "Bytes of sends of 1 KiB and more from programs' memory.")                                   \
    X(SENT_SNAPSHOT, "send_bytes_total", "way=\"snapshot\"",                                       \
      "Bytes of sends of 1 KiB and more from programs' memory.")
/* clang-format on */

#define STREAM_COUNTER_FIRST COUNTER_BLOCK(20)

enum {
    STREAM_COUNTER_FIRST_BEFORE = STREAM_COUNTER_FIRST - 1,
    STREAM_COUNTERS(COUNTER_ENUMERATOR)
};
