/* SPDX-License-Identifier: MIT */
/*
 * The node's one network interface, as lwIP sees it: IP packets out to neighbours, frames out to
 * a link server. Frames come in by net/transport/frames.c.
 */
#pragma once

#include "kernel/base.h"
#include "libc/core/node_set.h"

struct configuration;
struct netif;

void interface_initialise(const struct configuration *configuration);
struct netif *interface_netif(void);
bool interface_has_mac(void);

/*
 * The NIC is there, with this MAC address: packets may go out. Only the link servers in `queues`
 * have a queue (struct nic_ready); a node whose own has none sends through another. Long
 * segments are made only if the NIC can cut them. May be called again.
 */
void interface_set_nic(const uint8_t mac[6], struct node_set queues, bool can_segment_tcp);
/* Our Ethernet address, once it is known. */
const uint8_t *interface_mac(void);
/* Whether a packet to this address, a host's, can go anywhere: it is on our link, or there is a
 * gateway. */
bool interface_has_way(uint32_t address);
/* Where a packet to this address goes first: there, or to the gateway. */
uint32_t interface_next_hop(uint32_t address);
/* Send an IP packet, copied, its checksums left to the card, when this neighbour is known: it is
 * asked for. */
void interface_send_later(uint32_t next_hop, const uint8_t *packet, uint16_t length_bytes);
/* This node answers ARP for the machine from now on. */
void interface_start_speaking(void);

/*
 * Which checksums the NIC has verified in the packet that lwIP gets next; lwIP verifies the others.
 *
 * An argument that travels beside the call: ip4_input(), tcp_input() and udp_input() have no
 * parameter for it and look at the interface's flags (LWIP_CHECKSUM_CTRL_PER_NETIF). packet.c calls
 * this before it gives them a packet, each time; interface_poll_loopback() does for its own.
 */
void interface_set_verified(bool is_ip_verified, bool is_l4_verified);
/* Whether this node has sent something to its own address that has not been taken in. */
bool interface_has_loopback(void);
/* Take it in; returns how much work that was, 0 if there was nothing. */
unsigned interface_poll_loopback(void);
