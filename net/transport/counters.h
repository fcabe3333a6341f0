/* SPDX-License-Identifier: MIT */
/*
 * What a transport server counts of its connections, beside net/counters.h. The states behind the
 * first, which is TCP's (tcp/half_open.h), are those of net/transport/state.h, in that order.
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
    X(FIN_WAIT, "tcp_fin_wait", "", "Flows in tcp_time_wait that wait for the peer's FIN.")        \
    X(TIME_WAIT_REOPENED, "tcp_time_wait_cut_short_total", "reason=\"reopened\"",                  \
      "Flows forgotten before their time was over.")                                               \
    X(TIME_WAIT_OVERWRITTEN, "tcp_time_wait_cut_short_total", "reason=\"overwritten\"",            \
      "Flows forgotten before their time was over.")                                               \
    X(TIME_WAIT_NO_MEMORY, "tcp_time_wait_cut_short_total", "reason=\"no_memory\"",                \
      "Flows forgotten before their time was over.")                                               \
    X(CONNECTIONS_MAX, "tcp_connections_max", "", "Connections that the node takes.")              \
    X(UNACCEPTED, "tcp_connections_unaccepted_total", "",                                          \
      "Connections reset because no application accepted them.")                                   \
    X(ORPHANS_STALLED, "tcp_orphans_reset_total", "reason=\"stalled\"",                            \
      "Connections reset that their application had closed and the peer did not end.")             \
    X(ORPHANS_TOO_MANY, "tcp_orphans_reset_total", "reason=\"too_many\"",                          \
      "Connections reset that their application had closed and the peer did not end.")             \
    X(ORPHANS_MEMORY, "tcp_orphans_reset_total", "reason=\"memory\"",                              \
      "Connections reset that their application had closed and the peer did not end.")             \
    X(HANDSHAKES_EXPIRED, "tcp_handshakes_expired_total", "",                                      \
      "Handshakes that the peer did not complete.")                                                \
    X(COOKIES_SENT, "tcp_cookies_total", "result=\"sent\"", "SYN cookies.")                        \
    X(COOKIES_RETURNED, "tcp_cookies_total", "result=\"returned\"", "SYN cookies.")                \
    X(COOKIES_REFUSED, "tcp_cookies_total", "result=\"refused\"", "SYN cookies.")                  \
    X(COOKIES_UNCHECKED, "tcp_cookies_total", "result=\"unchecked\"", "SYN cookies.")              \
    X(REFUSALS_SENT, "tcp_refusals_total", "result=\"sent\"",                                      \
      "Resets for segments that no connection has.")                                               \
    X(REFUSALS_WITHHELD, "tcp_refusals_total", "result=\"withheld\"",                              \
      "Resets for segments that no connection has.")                                               \
    X(TCP_FAST_RECOVERIES, "tcp_recoveries_total", "cause=\"acknowledgements\"",                   \
      "Times bytes were found lost, by what said so.")                                             \
    X(TCP_TIMEOUTS, "tcp_recoveries_total", "cause=\"timeout\"",                                   \
      "Times bytes were found lost, by what said so.")                                             \
    X(TCP_LOSSES_UNDONE, "tcp_losses_undone_total", "",                                            \
      "Recoveries and time-outs that had no cause, and were undone.")                              \
    X(TCP_PROBES, "tcp_probes_total", "", "Tail loss probes.")                                     \
    X(TCP_SACK_RENEGED, "tcp_sack_reneged_total", "",                                              \
      "Peers that have dropped what they had acknowledged selectively.")                           \
    X(TCP_SACK_EDGES_IGNORED, "tcp_sack_edges_ignored_total", "",                                  \
      "Selective acknowledgements of too small pieces.")                                           \
    X(OPENS_OPENED, "tcp_opens_total", "result=\"opened\"", "Active opens, by their result.")      \
    X(OPENS_REFUSED, "tcp_opens_total", "result=\"refused\"", "Active opens, by their result.")    \
    X(OPENS_TIMED_OUT, "tcp_opens_total", "result=\"timed_out\"",                                  \
      "Active opens, by their result.")                                                            \
    X(OPENS_UNREACHABLE, "tcp_opens_total", "result=\"unreachable\"",                              \
      "Active opens, by their result.")                                                            \
    X(OPENS_WITHDRAWN, "tcp_opens_total", "result=\"withdrawn\"",                                  \
      "Active opens, by their result.")                                                            \
    X(OPENS_WITHOUT_ROOM, "tcp_opens_total", "result=\"no_room\"",                                 \
      "Active opens, by their result.")                                                            \
    X(OPENS_IN_PROGRESS, "tcp_opens", "", "Active opens that wait for an answer.")                 \
    X(DROP_NO_MANAGER, "drops_total", "reason=\"no_manager\"", "Input refused, by reason.")        \
    X(NTP_TAKEN, "ntp_answers_total", "result=\"taken\"", "Answers to questions for the date.")    \
    X(NTP_REFUSED, "ntp_answers_total", "result=\"refused\"",                                      \
      "Answers to questions for the date.")                                                        \
    X(NTP_SILENT, "ntp_answers_total", "result=\"none\"", "Answers to questions for the date.")

/* What one remote address may not have (share.h). */
#define SHARE_COUNTERS(X)                                                                          \
    X(DROP_ADDRESS_LIMIT, "drops_total", "reason=\"address_limit\"", "Input refused, by reason.")  \
    X(HOLES_FORGOTTEN, "tcp_holes_forgotten_total", "",                                            \
      "Connections whose bytes beyond a hole were given up for want of room.")                     \
    X(PINNED_BYTES, "tcp_pinned_bytes", "",                                                        \
      "Memory of what was sent and is not acknowledged after a time-out.")                         \
    X(PINNED_RESET, "tcp_pinned_reset_total", "",                                                  \
      "Connections reset for what their address keeps us from letting go of.")

/* Of flows that are forwarded (forward/flow.h): the first four, and those that expire, by queue. */
#define FORWARD_COUNTERS(X)                                                                        \
    X(FORWARD_FLOWS_HALF_OPEN, "forward_flows", "state=\"half_open\"",                             \
      "Flows that are forwarded, by state.")                                                       \
    X(FORWARD_FLOWS_ESTABLISHED, "forward_flows", "state=\"established\"",                         \
      "Flows that are forwarded, by state.")                                                       \
    X(FORWARD_FLOWS_CLOSING, "forward_flows", "state=\"closing\"",                                 \
      "Flows that are forwarded, by state.")                                                       \
    X(FORWARD_FLOWS_OVER, "forward_flows", "state=\"over\"",                                       \
      "Flows that are forwarded, by state.")                                                       \
    X(FORWARD_OPENED, "forward_flows_opened_total", "", "Flows that were begun with a backend.")   \
    X(FORWARD_SEGMENTS_CLIENT, "forward_segments_total", "from=\"client\"",                        \
      "Segments that were sent on, by who sent them.")                                             \
    X(FORWARD_SEGMENTS_BACKEND, "forward_segments_total", "from=\"backend\"",                      \
      "Segments that were sent on, by who sent them.")                                             \
    X(FORWARD_EXPIRED_HALF_OPEN, "forward_flows_expired_total", "state=\"half_open\"",             \
      "Flows that were forgotten for silence, by state.")                                          \
    X(FORWARD_EXPIRED_ESTABLISHED, "forward_flows_expired_total", "state=\"established\"",         \
      "Flows that were forgotten for silence, by state.")                                          \
    X(FORWARD_EXPIRED_CLOSING, "forward_flows_expired_total", "state=\"closing\"",                 \
      "Flows that were forgotten for silence, by state.")                                          \
    X(FORWARD_EXPIRED_OVER, "forward_flows_expired_total", "state=\"over\"",                       \
      "Flows that were forgotten for silence, by state.")                                          \
    X(FORWARD_REPLACED_HALF_OPEN, "forward_flows_replaced_total", "state=\"half_open\"",           \
      "Flows that were forgotten for others, by state.")                                           \
    X(FORWARD_REPLACED_OVER, "forward_flows_replaced_total", "state=\"over\"",                     \
      "Flows that were forgotten for others, by state.")                                           \
    X(FORWARD_REFUSED_BACKEND, "forward_syns_refused_total", "reason=\"no_backend\"",              \
      "SYNs to forwarded ports that were refused, by reason.")                                     \
    X(FORWARD_REFUSED_SILENT, "forward_syns_refused_total", "reason=\"silent_backend\"",           \
      "SYNs to forwarded ports that were refused, by reason.")                                     \
    X(FORWARD_REFUSED_PORT, "forward_syns_refused_total", "reason=\"no_port\"",                    \
      "SYNs to forwarded ports that were refused, by reason.")                                     \
    X(FORWARD_REFUSED_TABLE, "forward_syns_refused_total", "reason=\"table_full\"",                \
      "SYNs to forwarded ports that were refused, by reason.")                                     \
    X(FORWARD_REFUSED_ADDRESS, "forward_syns_refused_total", "reason=\"address_limit\"",           \
      "SYNs to forwarded ports that were refused, by reason.")                                     \
    X(FORWARD_ERRORS, "forward_errors_total", "", "Messages of ICMP that were sent on.")           \
    X(FORWARD_DROP_TTL, "drops_total", "reason=\"time_to_live\"", "Input refused, by reason.")

/* The resolver's (dns/resolver.h). */
#define DNS_COUNTERS(X)                                                                            \
    X(DNS_FOUND, "dns_questions_total", "result=\"found\"", "Names asked for, by result.")         \
    X(DNS_NOT_THERE, "dns_questions_total", "result=\"not_there\"", "Names asked for, by result.") \
    X(DNS_FAILED, "dns_questions_total", "result=\"failed\"", "Names asked for, by result.")       \
    X(DNS_CROWDED_OUT, "dns_questions_total", "result=\"crowded_out\"",                            \
      "Names asked for, by result.")                                                               \
    X(DNS_KNOWN, "dns_questions_total", "result=\"known\"", "Names asked for, by result.")         \
    X(DNS_REFUSED, "dns_answers_refused_total", "",                                                \
      "Answers of name servers that were broken, or to no question of ours.")
/* clang-format on */

#define TRANSPORT_COUNTER_FIRST COUNTER_BLOCK(4)
#define SHARE_COUNTER_FIRST     COUNTER_BLOCK(19)
#define DNS_COUNTER_FIRST       (SHARE_COUNTER_FIRST + 10)
#define FORWARD_COUNTER_FIRST   (SHARE_COUNTER_FIRST + 16) /* in what that leaves */

enum {
    TRANSPORT_COUNTER_FIRST_BEFORE = TRANSPORT_COUNTER_FIRST - 1,
    TRANSPORT_COUNTERS(COUNTER_ENUMERATOR)
};
enum {
    SHARE_COUNTER_FIRST_BEFORE = SHARE_COUNTER_FIRST - 1,
    SHARE_COUNTERS(COUNTER_ENUMERATOR) SHARE_COUNTER_END
};
enum {
    FORWARD_COUNTER_FIRST_BEFORE = FORWARD_COUNTER_FIRST - 1,
    FORWARD_COUNTERS(COUNTER_ENUMERATOR) FORWARD_COUNTER_END
};
enum {
    DNS_COUNTER_FIRST_BEFORE = DNS_COUNTER_FIRST - 1,
    DNS_COUNTERS(COUNTER_ENUMERATOR) DNS_COUNTER_END
};

_Static_assert((unsigned)SHARE_COUNTER_END <= DNS_COUNTER_FIRST &&
                   (unsigned)DNS_COUNTER_END <= FORWARD_COUNTER_FIRST &&
                   FORWARD_COUNTER_END <= SHARE_COUNTER_FIRST + COUNTER_BLOCK_SIZE,
               "all fit the block");
