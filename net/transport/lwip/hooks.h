/* SPDX-License-Identifier: MIT */
/*
 * Our seams in lwIP. lwIP includes this file after its private TCP header, so it may replace that
 * header's macros; what those cannot reach is in patches/. A reader of lwIP's sources needs to know
 * which of their names lead to us:
 *
 *   in lwIP's source                is with us                    in
 *   LWIP_HOOK_TCP_FOUND_PCB()       transport_found_pcb()         demux.c
 *   LWIP_HOOK_TCP_FOUND_LISTENER()  transport_found_listener()    demux.c
 *   LWIP_HOOK_TCP_INPACKET_PCB()    transport_check_segment()     challenge.c
 *   LWIP_HOOK_TCP_ISN()             transport_initial_sequence()  demux.c
 *   tcp_output()  in tcp_in.c       transport_output_later()      demux.c
 *   tcp_input()   in ip4.c          transport_tcp_input()         packet.c
 *   udp_input()   in ip4.c          transport_udp_input()         packet.c
 *   icmp_input()  in ip4.c          transport_icmp_input()        packet.c
 *   TCP_REG()                       transport_list_add()          pcb.c
 *   TCP_RMV()                       transport_list_remove()       pcb.c
 *   the other macros below          are whole in this file
 *
 * tcp_in.c leaves all output to the end of the dispatch round, so that an acknowledgement rides
 * on the answer where there is one. TCP_REG and TCP_RMV keep a hash of flows and a doubly linked
 * list: O(1) at any number of connections. Idle PCBs are on no list, only in the hash.
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

u32_t transport_initial_sequence(const ip_addr_t *local, u16_t local_port, const ip_addr_t *remote,
                                 u16_t remote_port);
void transport_tcp_input(struct pbuf *packet, struct netif *netif);
void transport_udp_input(struct pbuf *packet, struct netif *netif);
void transport_icmp_input(struct pbuf *packet, struct netif *netif);
err_t transport_check_segment(struct tcp_pcb *pcb, const struct tcp_hdr *header);
struct tcp_pcb *transport_found_pcb(void);
struct tcp_pcb_listen *transport_found_listener(void);

/* The longest segment of referenced data, 0 if the NIC does not cut segments (output.c). */
extern u16_t transport_segment_max;

#define INTERFACE_MTU 1500

#define LWIP_HOOK_TCP_ISN transport_initial_sequence
#define LWIP_HOOK_TCP_INPACKET_PCB(pcb, header, optlen, opt1len, opt2, p)                          \
    transport_check_segment(pcb, header)
#define LWIP_HOOK_TCP_FOUND_PCB()      transport_found_pcb()
#define LWIP_HOOK_TCP_FOUND_LISTENER() transport_found_listener()

#ifdef LWIP_HDR_TCP_PRIV_H

#include "net/transport/lwip/round_trip.h"

void transport_list_add(struct tcp_pcb **list, struct tcp_pcb *pcb);
void transport_list_remove(struct tcp_pcb **list, struct tcp_pcb *pcb);

#undef TCP_REG
#undef TCP_RMV
#define TCP_REG(list, pcb) transport_list_add(list, pcb)
#define TCP_RMV(list, pcb) transport_list_remove(list, pcb)

/* Whole multiples of the maximum segment size, so that the NIC leaves no short piece within. */
static inline u16_t transport_segment_limit(u16_t mss)
{
    return transport_segment_max <= mss ? mss : (u16_t)(transport_segment_max / mss * mss);
}
#define LWIP_HOOK_TCP_SEGMENT_LIMIT(mss) transport_segment_limit(mss)
/* Whether somebody below cuts what is longer than the maximum segment size. */
#define LWIP_HOOK_TCP_CUTS_SEGMENTS()    (transport_segment_max != 0)

/*
 * IP must not cut what the NIC will cut. ip4_output_if() decides by netif->mtu, and has no
 * parameter for it; tcp_out.c brackets its output of each segment in these two macros, which are
 * lwIP's seam for such settings. So the MTU is "unlimited" from the one to the other, for TCP
 * alone. Nothing else is sent in between: UDP and ICMP go out whole or in fragments as before.
 */
#undef NETIF_SET_HINTS
#undef NETIF_RESET_HINTS
#define NETIF_SET_HINTS(netif, hints) ((netif)->mtu = 0)
#define NETIF_RESET_HINTS(netif)      ((netif)->mtu = INTERFACE_MTU)

/*
 * Called for each segment with its TCP header complete, but for options; there are none to add.
 *
 * Notes in the segment's first pbuf how long the pieces shall be that the NIC cuts it into: the
 * interface gets that pbuf. Without PCB it is a reset, which is not cut.
 *
 * And sets PSH where nothing is queued behind the data (RFC 9293 3.9.1.2): while tcp_output() works
 * on it, a data segment is the head of the unsent queue. What tcp_write() has set is less: who
 * writes does not know whether more will follow in the same round.
 */
static inline u32_t *transport_note_segment(struct pbuf *segment, const struct tcp_pcb *pcb,
                                            u32_t *options)
{
    const struct tcp_seg *head;

    if (pcb != NULL) {
        segment->segment_bytes = pcb->mss;
        head = pcb->unsent;
        if (head != NULL && head->p == segment && head->next == NULL && head->len != 0) {
            TCPH_SET_FLAG(head->tcphdr, TCP_PSH);
        }
    }
    return options;
}
#define LWIP_HOOK_TCP_OUT_ADD_TCPOPTS(p, header, pcb, options)                                     \
    transport_note_segment(p, pcb, options)

#define LWIP_HOOK_TCP_ROUND_TRIP(pcb, ticks) round_trip_note(pcb, ticks)
#define LWIP_HOOK_TCP_BACK_OFF(pcb)          round_trip_back_off(pcb)

/* A peer that does not finish the handshake holds a PCB so long: three retransmissions. */
#undef TCP_SYN_RCVD_TIMEOUT
#define TCP_SYN_RCVD_TIMEOUT 8000

/* Numbers 2^31 apart are neither before nor after each other: never both, as lwIP 2.1 has it. */
#undef TCP_SEQ_LEQ
#undef TCP_SEQ_GT
#undef TCP_SEQ_GEQ
#define TCP_SEQ_LEQ(a, b) (!TCP_SEQ_LT(b, a))
#define TCP_SEQ_GT(a, b)  TCP_SEQ_LT(b, a)
#define TCP_SEQ_GEQ(a, b) (!TCP_SEQ_LT(a, b))

#ifdef TALUS_LWIP_TCP_IN

err_t transport_output_later(struct tcp_pcb *pcb);
#define tcp_output(pcb) transport_output_later(pcb)

#endif

#endif

#ifdef TALUS_LWIP_IP4
#define tcp_input  transport_tcp_input
#define udp_input  transport_udp_input
#define icmp_input transport_icmp_input
#endif
