/* SPDX-License-Identifier: MIT */
/*
 * From a frame that has come in to the protocol above IP.
 */
#pragma once

#include "kernel/base.h"

struct configuration;
struct demux_assignment;
struct pbuf;

/* Of lwIP's flags for a pbuf, one that it leaves free: another node has forwarded this packet. */
#define PACKET_FORWARDED 0x80u

void packet_initialise(const struct configuration *configuration);
/*
 * Take a frame, from its Ethernet header on and in one piece; its bytes may be changed. What is
 * refused is counted. `flags` as in drivers/nic/frame.h; `assignment` as in demux.h.
 */
void packet_receive(struct pbuf *packet, uint16_t flags, struct demux_assignment *assignment);
