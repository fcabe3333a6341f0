/* SPDX-License-Identifier: MIT */
/*
 * Every counter a node keeps on its status page, in one table: any node may read them, so a
 * scrape of /metrics disturbs nobody. The name and label become talus_<name>{node="N",<label>}
 * (Prometheus text format 0.0.4). Rows with the same name stand together. IDLE_NS counts
 * nanoseconds and is shown in seconds, Prometheus' base unit.
 */
#pragma once

/* clang-format off: a table */
/* X(ENUM, "name", "label or empty", "help") */
#define COUNTER_TABLE(X)                                                                           \
    X(IDLE_NS, "node_idle_seconds_total", "", "Time halted in the idle loop.")                     \
    X(SLEEPS, "node_sleeps_total", "", "Times the node halted.")                                   \
    X(DISPATCH_ROUNDS, "dispatch_rounds_total", "", "Rounds of the event loop.")                   \
    X(CHANNEL_SENT, "channel_messages_total", "", "Messages sent to other nodes.")                 \
    X(CHANNEL_FULL, "channel_full_total", "", "Sends that found the channel full.")                \
    X(DOORBELLS, "doorbells_total", "", "Interrupts sent to wake a sleeping node.")                \
    X(LOG_LOST, "log_lines_lost_total", "", "Log lines overwritten before they were printed.")     \
    X(CONSOLE_SERIAL_DROPPED, "console_lines_dropped_total", "device=\"serial\"",                  \
      "Lines that a device of the console was too slow for.")                                      \
    X(CONSOLE_SCREEN_DROPPED, "console_lines_dropped_total", "device=\"screen\"",                  \
      "Lines that a device of the console was too slow for.")                                      \
    X(NIC_RX_PACKETS, "nic_rx_packets_total", "", "Frames taken from the receive queue.")          \
    X(NIC_RX_BYTES, "nic_rx_bytes_total", "", "Bytes taken from the receive queue.")               \
    X(NIC_RX_MERGED, "nic_rx_merged_total", "", "Acknowledgements that a later one replaced.")     \
    X(NIC_TX_PACKETS, "nic_tx_packets_total", "", "Frames given to the transmit queue.")           \
    X(NIC_TX_BYTES, "nic_tx_bytes_total", "", "Bytes given to the transmit queue.")                \
    X(NIC_RX_MISSED, "nic_rx_missed_total", "", "Frames the NIC dropped for lack of descriptors.") \
    X(NIC_INTERRUPTS, "nic_interrupts_total", "", "Interrupts taken from the NIC.")                \
    X(STEER_FORWARDED, "steer_forwarded_total", "",                                                \
      "Frames forwarded to another node in software.")                                             \
    X(TCP_ACCEPTED, "tcp_connections_accepted_total", "", "Passive opens that completed.")         \
    X(TCP_CLOSED, "tcp_connections_closed_total", "", "Connections that ended.")                   \
    X(TCP_RESETS, "tcp_resets_total", "", "Connections that ended by a reset.")                    \
    X(TCP_RETRANSMITS, "tcp_retransmits_total", "", "Times segments were sent again.")             \
    X(CM_ASSIGNED, "cm_assigned_total", "", "Connections assigned to a local acceptor.")           \
    X(CM_ASSIGNED_REMOTE, "cm_assigned_remote_total", "", "Connections given to another CM's.")    \
    X(CM_QUEUED, "cm_queued_total", "", "Connections that waited for an acceptor.")                \
    X(CLAIMS_CONFIRMED, "claims_total", "result=\"confirmed\"", "Claims by their result.")         \
    X(CLAIMS_REJECTED, "claims_total", "result=\"rejected\"", "Claims by their result.")           \
    X(ACCEPT_TIMEOUTS, "accept_timeouts_total", "", "Offers that were not claimed in time.")       \
    X(SOCKETS_ACCEPTED, "sockets_accepted_total", "", "Connections the application accepted.")     \
    X(HTTP_REQUESTS, "http_requests_total", "", "Requests answered by the application.")           \
    X(DROP_CHECKSUM, "drops_total", "reason=\"checksum\"", "Input refused, by reason.")            \
    X(DROP_TRUNCATED, "drops_total", "reason=\"truncated\"", "Input refused, by reason.")          \
    X(DROP_MALFORMED, "drops_total", "reason=\"malformed\"", "Input refused, by reason.")          \
    X(DROP_PROTOCOL, "drops_total", "reason=\"protocol\"", "Input refused, by reason.")            \
    X(DROP_NOT_OURS, "drops_total", "reason=\"not_ours\"", "Input refused, by reason.")            \
    X(DROP_NO_MEMORY, "drops_total", "reason=\"no_memory\"", "Input refused, by reason.")          \
    X(DROP_NO_NEIGHBOR, "drops_total", "reason=\"no_neighbor\"", "Input refused, by reason.")      \
    X(DROP_CHANNEL_FULL, "drops_total", "reason=\"channel_full\"", "Input refused, by reason.")    \
    X(DROP_SYN_LIMIT, "drops_total", "reason=\"syn_limit\"", "Input refused, by reason.")          \
    X(DROP_BAD_MESSAGE, "drops_total", "reason=\"bad_message\"", "Input refused, by reason.")      \
    X(DROP_TX_FULL, "drops_total", "reason=\"tx_full\"", "Input refused, by reason.")
/* clang-format on */

enum counter {
#define X(enumerator, name, label, help) COUNTER_##enumerator,
    COUNTER_TABLE(X)
#undef X
        COUNTER_COUNT
};
