/* SPDX-License-Identifier: MIT */
/*
 * What a transport server counts of its connections, beside net/counters.h. The states are those of
 * net/transport/state.h, in that order.
 */
#pragma once

#include "kernel/message/counters.h"
#include "kernel/message/status.h"

/* clang-format off: a table */
/* X(ENUM, "name", "label or empty", "help") */
#define TRANSPORT_COUNTERS(X)                                                                      \
    X(CONNECTIONS_HALF_OPEN, "tcp_connections", "state=\"half_open\"", "Connections by state.")    \
    X(CONNECTIONS_ASSIGNED, "tcp_connections", "state=\"assigned\"", "Connections by state.")      \
    X(CONNECTIONS_ANNOUNCED, "tcp_connections", "state=\"announced\"", "Connections by state.")    \
    X(CONNECTIONS_WAITING, "tcp_connections", "state=\"waiting\"", "Connections by state.")        \
    X(CONNECTIONS_CLAIMED, "tcp_connections", "state=\"claimed\"", "Connections by state.")        \
    X(CONNECTIONS_DETACHED, "tcp_connections", "state=\"detached\"", "Connections by state.")      \
    X(TIME_WAIT, "tcp_time_wait", "", "Flows that are over and remembered.")                       \
    X(CONNECTIONS_MAX, "tcp_connections_max", "", "Connections that the node takes.")              \
    X(UNACCEPTED, "tcp_connections_unaccepted_total", "",                                          \
      "Connections reset because no application accepted them.")                                   \
    X(ORPHANS_STALLED, "tcp_orphans_reset_total", "reason=\"stalled\"",                            \
      "Connections reset that their application had closed and the peer did not end.")             \
    X(ORPHANS_TOO_MANY, "tcp_orphans_reset_total", "reason=\"too_many\"",                          \
      "Connections reset that their application had closed and the peer did not end.")             \
    X(ORPHANS_MEMORY, "tcp_orphans_reset_total", "reason=\"memory\"",                              \
      "Connections reset that their application had closed and the peer did not end.")             \
    X(NTP_TAKEN, "ntp_answers_total", "result=\"taken\"", "Answers to questions for the date.")    \
    X(NTP_REFUSED, "ntp_answers_total", "result=\"refused\"",                                      \
      "Answers to questions for the date.")                                                        \
    X(NTP_SILENT, "ntp_answers_total", "result=\"none\"", "Answers to questions for the date.")
/* clang-format on */

#define TRANSPORT_COUNTER_FIRST COUNTER_BLOCK(4)

enum {
    TRANSPORT_COUNTER_FIRST_BEFORE = TRANSPORT_COUNTER_FIRST - 1,
    TRANSPORT_COUNTERS(COUNTER_ENUMERATOR)
};
