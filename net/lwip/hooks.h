/* SPDX-License-Identifier: MIT */
/*
 * Our seams in lwIP, without a patch: lwIP includes this file after its private TCP header, so it
 * may replace that header's macros. What stands behind them is in net/transport_demux.c.
 *
 * - TCP_REG and TCP_RMV keep doubly linked lists and a hash of flows: O(1) at any number of
 *   connections. Idle PCBs are on no list, only in the hash.
 * - tcp_in.c alone (TALUS_LWIP_TCP_IN) looks a segment's PCB up in the hash where it would walk
 *   the lists, and leaves all output to the end of the dispatch round, so that an
 *   acknowledgement rides on the answer where there is one.
 * - ip4.c (TALUS_LWIP_IP4) hands segments to transport_tcp_input() first.
 */
#pragma once

#include "lwip/arch.h"
#include "lwip/err.h"
#include "lwip/ip_addr.h"

struct netif;
struct pbuf;
struct tcp_hdr;
struct tcp_pcb;
struct tcp_pcb_listen;

u32_t transport_initial_sequence(const ip_addr_t *local, u16_t local_port,
                                 const ip_addr_t *remote, u16_t remote_port);
err_t transport_check_segment(struct tcp_pcb *pcb, const struct tcp_hdr *header);

#define LWIP_HOOK_TCP_ISN transport_initial_sequence
#define LWIP_HOOK_TCP_INPACKET_PCB(pcb, header, optlen, opt1len, opt2, p) \
    transport_check_segment(pcb, header)

#ifdef LWIP_HDR_TCP_PRIV_H

void transport_list_add(struct tcp_pcb **list, struct tcp_pcb *pcb);
void transport_list_remove(struct tcp_pcb **list, struct tcp_pcb *pcb);

#undef TCP_REG
#undef TCP_RMV
#define TCP_REG(list, pcb) transport_list_add(list, pcb)
#define TCP_RMV(list, pcb) transport_list_remove(list, pcb)

/* A peer that does not finish the handshake holds a PCB so long: three retransmissions. */
#undef TCP_SYN_RCVD_TIMEOUT
#define TCP_SYN_RCVD_TIMEOUT 8000

/* Numbers 2^31 apart are neither before nor after each other: never both, as lwIP 2.1 has it. */
#undef TCP_SEQ_LEQ
#undef TCP_SEQ_GT
#undef TCP_SEQ_GEQ
#define TCP_SEQ_LEQ(a, b) (!TCP_SEQ_LT(b, a))
#define TCP_SEQ_GT(a, b) TCP_SEQ_LT(b, a)
#define TCP_SEQ_GEQ(a, b) (!TCP_SEQ_LT(a, b))

#ifdef TALUS_LWIP_TCP_IN

struct tcp_pcb **transport_active_head(void);
struct tcp_pcb_listen **transport_listen_head(void);
err_t transport_output_later(struct tcp_pcb *pcb);

#define tcp_active_pcbs (*transport_active_head())
/* lwIP says tcp_listen_pcbs.listen_pcbs: the member of a union. */
#define tcp_listen_pcbs (*(union tcp_listen_pcbs_t *)transport_listen_head())
#define tcp_output(pcb) transport_output_later(pcb)

#endif

#endif

#ifdef TALUS_LWIP_IP4
void transport_tcp_input(struct pbuf *packet, struct netif *netif);
#define tcp_input transport_tcp_input
#endif
