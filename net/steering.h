/* SPDX-License-Identifier: MIT */
/*
 * Steering (PIKA 4.1): which TS owns a flow, and so which LS's queue its frames should reach. A
 * pure function of the configuration and the flow, the same on every node, and the same that the
 * flow director is programmed with.
 */
#pragma once

#include "kernel/base.h"

struct configuration;

/* Groups of flows: the low 12 bits of the peer's TCP port. */
#define STEERING_GROUP_COUNT 4096u

static inline unsigned steering_group(uint16_t remote_port)
{
    return remote_port & (STEERING_GROUP_COUNT - 1);
}

/* The TS that owns a group's flows. */
node_id_t steering_owner(const struct configuration *configuration, unsigned group);
/* The NIC queue (= index of the LS) that the group's frames go to: the owner's own LS. */
unsigned steering_queue(const struct configuration *configuration, unsigned group);

/*
 * The TS that shall receive this frame: the flow's owner for unfragmented IPv4 TCP with a whole
 * TCP header, TS 0 (which speaks ARP, ICMP, UDP, DHCP and reassembles) for all else.
 * `is_syn`: set when it is a TCP segment with SYN and without ACK.
 */
node_id_t steering_classify(const struct configuration *configuration, const uint8_t *frame,
                            size_t length_bytes, bool *is_syn);
