/* SPDX-License-Identifier: MIT */
/*
 * What is counted of splices, by transport servers and by applications' nodes.
 */
#pragma once

#include "kernel/message/counters.h"
#include "kernel/message/status.h"

/* clang-format off: a table */
/* X(ENUM, "name", "label or empty", "help") */
#define SPLICE_COUNTERS(X)                                                                         \
    X(SPLICES_SERVER, "splices_total", "by=\"server\"",                                            \
      "Sockets spliced, each way, by who moves the bytes.")                                        \
    X(SPLICES_COPIED, "splices_total", "by=\"application\"",                                       \
      "Sockets spliced, each way, by who moves the bytes.")                                        \
    X(SPLICE_BYTES_SERVER, "splice_bytes_total", "by=\"server\"", "Bytes that went by splices.")   \
    X(SPLICE_BYTES_COPIED, "splice_bytes_total", "by=\"application\"",                             \
      "Bytes that went by splices.")                                                               \
    X(SPLICES_REFUSED, "splices_refused_total", "",                                                \
      "Splices for which a transport server had no room.")                                         \
    X(SPLICES_WAITING, "splice_waits_total", "", "Times a splice has waited for memory.")
/* clang-format on */

#define SPLICE_COUNTER_FIRST COUNTER_BLOCK(21)

enum {
    SPLICE_COUNTER_FIRST_BEFORE = SPLICE_COUNTER_FIRST - 1,
    SPLICE_COUNTERS(COUNTER_ENUMERATOR)
};
