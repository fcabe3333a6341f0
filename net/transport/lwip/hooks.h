/* SPDX-License-Identifier: MIT */
/*
 * Our seams in lwIP. lwIP includes this file after its private TCP header, so it may replace that
 * header's macros; what those cannot reach is in patches/. A reader of lwIP's sources needs to know
 * which of their names lead to us:
 *
 *   in lwIP's source          is with us               in
 *   tcp_receive_lent()        called by us             tcp/lend.c
 *   lwip_tcp_event()          lwip_tcp_event()         tcp/lend.c
 *   tcp_input()   in ip4.c    transport_tcp_input()    packet.c
 *   udp_input()   in ip4.c    transport_udp_input()    packet.c
 *   icmp_input()  in ip4.c    transport_icmp_input()   packet.c
 *   igmp_input()  in ip4.c    transport_igmp_input()   packet.c
 *   LWIP_HOOK_IP4_IS_OURS()   transport_has_address()  packet.c
 *   the other macros below    are whole in this file
 *
 * Of lwIP's TCP, only the receiver of one segment runs (net/transport/tcp/lend.h); it has no
 * connection of its own.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "lwip/arch.h"
#include "lwip/err.h"
#include "lwip/ip_addr.h"

struct netif;
struct pbuf;

void transport_tcp_input(struct pbuf *packet, struct netif *netif);
void transport_udp_input(struct pbuf *packet, struct netif *netif);
void transport_icmp_input(struct pbuf *packet, struct netif *netif);
void transport_igmp_input(struct pbuf *packet, struct netif *netif, const ip4_addr_t *destination);
bool transport_has_address(uint32_t address);

#define INTERFACE_MTU 1500

#ifdef LWIP_HDR_TCP_PRIV_H

/* Numbers 2^31 apart are neither before nor after each other: never both, as lwIP 2.1 has it. */
#undef TCP_SEQ_LEQ
#undef TCP_SEQ_GT
#undef TCP_SEQ_GEQ
#define TCP_SEQ_LEQ(a, b) (!TCP_SEQ_LT(b, a))
#define TCP_SEQ_GT(a, b)  TCP_SEQ_LT(b, a)
#define TCP_SEQ_GEQ(a, b) (!TCP_SEQ_LT(a, b))

#endif

#ifdef TALUS_LWIP_IP4
#define tcp_input                             transport_tcp_input
#define udp_input                             transport_udp_input
#define icmp_input                            transport_icmp_input
#define igmp_input                            transport_igmp_input
#define LWIP_HOOK_IP4_IS_OURS(address, netif) transport_has_address((address)->addr)
#endif
