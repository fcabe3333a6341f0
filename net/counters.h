/* SPDX-License-Identifier: MIT */
/*
 * What the network servers and the application's side of connections count. Rows of the same name
 * stand together.
 */
#pragma once

#include "kernel/message/counters.h"
#include "kernel/message/status.h"

/* clang-format off: a table */
/* X(ENUM, "name", "label or empty", "help") */
#define NET_COUNTERS(X)                                                                            \
    X(STEER_FORWARDED, "steer_forwarded_total", "",                                                \
      "Frames forwarded to another node in software.")                                             \
    X(STEER_MISSED, "steer_missed_total", "",                                                      \
      "Segments of TCP among those that the NIC brought to another queue than their owner's.")     \
    X(TCP_ACCEPTED, "tcp_connections_accepted_total", "", "Passive opens that completed.")         \
    X(TCP_CLOSED, "tcp_connections_closed_total", "", "Connections that ended.")                   \
    X(TCP_RESETS, "tcp_resets_total", "", "Connections that ended by a reset.")                    \
    X(TCP_RETRANSMITS, "tcp_retransmits_total", "", "Times segments were sent again.")             \
    X(TCP_PATH_MTU, "tcp_path_mtu_total", "", "Connections told of a narrower path.")              \
    X(TCP_CHALLENGES_SENT, "tcp_challenges_total", "result=\"sent\"",                              \
      "Challenge ACKs (RFC 5961).")                                                                \
    X(TCP_CHALLENGES_WITHHELD, "tcp_challenges_total", "result=\"withheld\"",                      \
      "Challenge ACKs (RFC 5961).")                                                                \
    X(CM_ASSIGNED, "cm_assigned_total", "", "Connections assigned to a local acceptor.")           \
    X(CM_ASSIGNED_REMOTE, "cm_assigned_remote_total", "", "Connections given to another CM's.")    \
    X(CM_QUEUED, "cm_queued_total", "", "Connections that waited for an acceptor.")                \
    X(CLAIMS_CONFIRMED, "claims_total", "result=\"confirmed\"", "Claims by their result.")         \
    X(CLAIMS_GRANTED, "claims_total", "result=\"granted\"", "Claims by their result.")             \
    X(CLAIMS_REJECTED, "claims_total", "result=\"rejected\"", "Claims by their result.")           \
    X(ACCEPT_TIMEOUTS, "accept_timeouts_total", "", "Availabilities not claimed in time.")         \
    X(ACCEPTS_DECLINED, "accepts_declined_total", "", "Availabilities that were declined.")        \
    X(SOCKETS_ACCEPTED, "sockets_accepted_total", "", "Connections the application accepted.")     \
    X(DROP_CHECKSUM, "drops_total", "reason=\"checksum\"", "Input refused, by reason.")            \
    X(DROP_TRUNCATED, "drops_total", "reason=\"truncated\"", "Input refused, by reason.")          \
    X(DROP_PROTOCOL, "drops_total", "reason=\"protocol\"", "Input refused, by reason.")            \
    X(DROP_NOT_OURS, "drops_total", "reason=\"not_ours\"", "Input refused, by reason.")            \
    X(DROP_NO_MEMORY, "drops_total", "reason=\"no_memory\"", "Input refused, by reason.")          \
    X(DROP_TABLE_FULL, "drops_total", "reason=\"table_full\"", "Input refused, by reason.")        \
    X(DROP_NO_DEVICE, "drops_total", "reason=\"no_device\"", "Input refused, by reason.")          \
    X(DROP_NO_NEIGHBOR, "drops_total", "reason=\"no_neighbor\"", "Input refused, by reason.")      \
    X(DROP_CHANNEL_FULL, "drops_total", "reason=\"channel_full\"", "Input refused, by reason.")    \
    X(DROP_SYN_LIMIT, "drops_total", "reason=\"syn_limit\"", "Input refused, by reason.")          \
    X(DROP_INCOMPLETE, "drops_total", "reason=\"incomplete\"", "Input refused, by reason.")        \
    X(DROP_RECEIVE_FULL, "drops_total", "reason=\"receive_full\"", "Input refused, by reason.")    \
    X(DROP_BACKLOG_FULL, "drops_total", "reason=\"backlog_full\"", "Input refused, by reason.")    \
    X(DROP_TX_FULL, "drops_total", "reason=\"tx_full\"", "Input refused, by reason.")              \
    X(DROP_BAD_DATE, "drops_total", "reason=\"bad_date\"", "Input refused, by reason.")            \
    X(DATAGRAMS_RECEIVED, "datagrams_total", "direction=\"received\"",                             \
      "Datagrams of applications' UDP sockets.")                                                   \
    X(DATAGRAMS_SENT, "datagrams_total", "direction=\"sent\"",                                     \
      "Datagrams of applications' UDP sockets.")                                                   \
    X(DRAIN_RESETS, "drain_resets_total", "",                                                      \
      "Connections reset that did not end in the time that a draining node had.")
/* clang-format on */

#define NET_COUNTER_FIRST COUNTER_BLOCK(3)

enum { NET_COUNTER_FIRST_BEFORE = NET_COUNTER_FIRST - 1, NET_COUNTERS(COUNTER_ENUMERATOR) };
