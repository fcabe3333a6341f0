/* SPDX-License-Identifier: MIT */
/*
 * The machine's address and its neighbours. All transport servers share one MAC and one IPv4
 * address; the first living one, the speaker, speaks DHCP and ARP and tells the others by message.
 */
#pragma once

#include "kernel/base.h"

struct configuration;
struct pbuf;

void transport_address_initialise(const struct configuration *configuration);
/* Whether this node is the speaker and has begun: the NIC is there. */
bool transport_address_is_speaking(void);
/* An ARP frame, from its Ethernet header on; takes it. Only while this node speaks. */
void transport_address_receive_arp(struct pbuf *packet);
/* A node has died, as the configuration knows: this one may be the speaker now. */
void transport_address_lose_node(void);
/* It has come back: tell it what the others have been told. */
void transport_address_greet_node(node_id_t node);
