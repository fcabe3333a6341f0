/* SPDX-License-Identifier: MIT */
/*
 * From a frame that has come in to the protocol above IP.
 */
#pragma once

#include "kernel/base.h"

struct configuration;
struct segment;

/* Of lwIP's flags for a pbuf, one that it leaves free: another node has forwarded this packet. */
#define PACKET_FORWARDED 0x80u

void packet_initialise(const struct configuration *configuration);
/*
 * What has come: whole TCP segments for us go to demux_receive() as they are, the rest to lwIP, and
 * comes from there to the same place where it is a segment after all. What is refused is counted.
 * Unless it is kept meanwhile (tcp/segment.h) it stays the caller's.
 */
void packet_receive(struct segment *segment);
