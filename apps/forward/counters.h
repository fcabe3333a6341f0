/* SPDX-License-Identifier: MIT */
/*
 * What forward counts, of each backend by its number on the command line. Five counters each, in
 * the order of enum backend_counter.
 */
#pragma once

#include "kernel/message/counters.h"
#include "kernel/message/status.h"

/* clang-format off: a table */
/* X(ENUM, "name", "label or empty", "help") */
#define FORWARD_BACKEND_COUNTERS(X, n)                                                             \
    X(FORWARD_##n##_CONNECTIONS, "forward_connections_total", "backend=\"" #n "\"",                \
      "Connections to a backend.")                                                                 \
    X(FORWARD_##n##_ACTIVE, "forward_connections", "backend=\"" #n "\"",                           \
      "Connections to a backend that there are.")                                                  \
    X(FORWARD_##n##_IN, "forward_received_bytes_total", "backend=\"" #n "\"",                      \
      "Bytes from a backend's clients.")                                                           \
    X(FORWARD_##n##_OUT, "forward_sent_bytes_total", "backend=\"" #n "\"",                         \
      "Bytes from a backend to its clients.")                                                      \
    X(FORWARD_##n##_UP, "forward_backend_up", "backend=\"" #n "\"",                                \
      "Whether a backend is there, as far as the node knows.")

#define FORWARD_LOW_COUNTERS(X)                                                                    \
    FORWARD_BACKEND_COUNTERS(X, 0)                                                                 \
    FORWARD_BACKEND_COUNTERS(X, 1)                                                                 \
    FORWARD_BACKEND_COUNTERS(X, 2)                                                                 \
    FORWARD_BACKEND_COUNTERS(X, 3)                                                                 \
    FORWARD_BACKEND_COUNTERS(X, 4)                                                                 \
    FORWARD_BACKEND_COUNTERS(X, 5)                                                                 \
    FORWARD_BACKEND_COUNTERS(X, 6)                                                                 \
    FORWARD_BACKEND_COUNTERS(X, 7)

#define FORWARD_HIGH_COUNTERS(X)                                                                   \
    FORWARD_BACKEND_COUNTERS(X, 8)                                                                 \
    FORWARD_BACKEND_COUNTERS(X, 9)                                                                 \
    FORWARD_BACKEND_COUNTERS(X, 10)                                                                \
    FORWARD_BACKEND_COUNTERS(X, 11)                                                                \
    FORWARD_BACKEND_COUNTERS(X, 12)                                                                \
    FORWARD_BACKEND_COUNTERS(X, 13)                                                                \
    FORWARD_BACKEND_COUNTERS(X, 14)                                                                \
    FORWARD_BACKEND_COUNTERS(X, 15)

#define FORWARD_COUNTERS(X)                                                                        \
    X(FORWARD_REFUSED, "forward_sessions_refused_total", "",                                       \
      "Clients that were reset, for want of a backend or of room.")                                \
    X(FORWARD_RETRIES, "forward_retries_total", "",                                                \
      "Times a backend did not accept and another one was tried.")
/* clang-format on */

#define FORWARD_LOW_COUNTER_FIRST  COUNTER_BLOCK(22)
#define FORWARD_HIGH_COUNTER_FIRST COUNTER_BLOCK(23)
#define FORWARD_COUNTER_FIRST      COUNTER_BLOCK(24)

enum {
    FORWARD_LOW_COUNTER_FIRST_BEFORE = FORWARD_LOW_COUNTER_FIRST - 1,
    FORWARD_LOW_COUNTERS(COUNTER_ENUMERATOR)
};
enum {
    FORWARD_HIGH_COUNTER_FIRST_BEFORE = FORWARD_HIGH_COUNTER_FIRST - 1,
    FORWARD_HIGH_COUNTERS(COUNTER_ENUMERATOR)
};
enum {
    FORWARD_COUNTER_FIRST_BEFORE = FORWARD_COUNTER_FIRST - 1,
    FORWARD_COUNTERS(COUNTER_ENUMERATOR)
};

enum backend_counter {
    BACKEND_CONNECTIONS,
    BACKEND_ACTIVE,
    BACKEND_IN,
    BACKEND_OUT,
    BACKEND_UP,
    BACKEND_COUNTER_COUNT
};

/* Backends with counters in a block. */
#define BACKENDS_A_BLOCK 8u

_Static_assert(COUNTER_FORWARD_7_UP - COUNTER_FORWARD_0_CONNECTIONS + 1 ==
                   BACKENDS_A_BLOCK * BACKEND_COUNTER_COUNT,
               "in that order");
