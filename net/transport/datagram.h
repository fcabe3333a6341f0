/* SPDX-License-Identifier: MIT */
/*
 * UDP of applications: which application has which port, their datagrams in and out. What lwIP has
 * bound itself (DHCP, the date) is its own.
 */
#pragma once

#include "kernel/base.h"

struct pbuf;

/* Ports are in the machine's order. */
bool datagram_is_lwips(uint16_t port);
bool datagram_is_applications(uint16_t port);
/* Whether nobody is told that a port is not served: this node has come back, and does not know yet
 * who has which. */
bool datagram_is_silent(void);
/* A datagram whose port is an application's, from its UDP header on, checked. Takes the packet. */
void datagram_deliver(struct pbuf *packet);
/* "Port unreachable" of ICMP, from its ICMP header on: whether it is about a datagram of ours. */
bool datagram_take_refusal(const struct pbuf *packet);

void datagram_initialise(void);
/* What it had is free. */
void datagram_lose_node(node_id_t node);
