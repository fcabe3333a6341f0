/* SPDX-License-Identifier: MIT */
/*
 * What a network card has carried and lost. A queue's driver counts what it has sent, the link
 * server the rest.
 */
#pragma once

#include "kernel/message/counters.h"
#include "kernel/message/status.h"

/* clang-format off: a table */
/* X(ENUM, "name", "label or empty", "help") */
#define NIC_COUNTERS(X)                                                                            \
    X(NIC_RX_PACKETS, "nic_rx_packets_total", "", "Frames taken from the receive queue.")          \
    X(NIC_RX_BYTES, "nic_rx_bytes_total", "", "Bytes taken from the receive queue.")               \
    X(NIC_RX_MERGED, "nic_rx_merged_total", "", "Acknowledgements that a later one replaced.")     \
    X(NIC_RX_SPLIT, "nic_rx_split_total", "",                                                      \
      "TCP segments longer than a frame, handed over by the NIC as several.")                      \
    X(NIC_TX_PACKETS, "nic_tx_packets_total", "", "Frames given to the transmit queue.")           \
    X(NIC_TX_BYTES, "nic_tx_bytes_total", "", "Bytes given to the transmit queue.")                \
    X(NIC_RX_MISSED, "nic_rx_missed_total", "", "Frames the NIC dropped for lack of descriptors.") \
    X(NIC_SYNS_MISSED, "nic_syns_missed_total", "",                                                \
      "Frames among those that were SYNs, which had a queue of their own.")                        \
    X(NIC_SYN_QUEUE, "nic_syn_queue", "", "Whether SYNs have a queue of their own now.")           \
    X(NIC_RX_BUFFERS_FREE, "nic_rx_buffers", "state=\"free\"", "Buffers for received frames.")     \
    X(NIC_RX_BUFFERS_USED, "nic_rx_buffers", "state=\"used\"", "Buffers for received frames.")     \
    X(NIC_QUEUES_STOPPED, "nic_queues_stopped_total", "",                                          \
      "Queues given up because the NIC said of them what cannot be.")                              \
    X(NIC_RESTARTS, "nic_restarts_total", "",                                                      \
      "Times that a NIC that had given up was started anew.")                                      \
    X(NIC_ANNOUNCEMENTS, "nic_announcements_total", "",                                            \
      "Times that the NIC had the machine's address made known, as it had moved.")                 \
    X(NIC_INTERRUPTS, "nic_interrupts_total", "", "Interrupts taken from the NIC.")                \
    X(DMA_REFUSED_READ, "dma_refused_total", "access=\"read\"",                                    \
      "Accesses to memory that the IOMMU has refused to devices.")                                 \
    X(DMA_REFUSED_WRITE, "dma_refused_total", "access=\"write\"",                                  \
      "Accesses to memory that the IOMMU has refused to devices.")                                 \
    X(DMA_REFUSED_UNRECORDED, "dma_refused_unrecorded_total", "",                                  \
      "Times that the IOMMU had no place to record what it refused.")                              \
    X(DROP_MALFORMED, "drops_total", "reason=\"malformed\"", "Input refused, by reason.")          \
    X(DROP_NO_GROUP, "drops_total", "reason=\"no_group\"", "Input refused, by reason.")
/* clang-format on */

#define NIC_COUNTER_FIRST COUNTER_BLOCK(2)

enum { NIC_COUNTER_FIRST_BEFORE = NIC_COUNTER_FIRST - 1, NIC_COUNTERS(COUNTER_ENUMERATOR) };
