/* SPDX-License-Identifier: MIT */
/*
 * Frames in: from the link server, by reference or by message, through our checks to lwIP.
 * net/transport/server.h has the entry for the link server on the same node.
 */
#pragma once

#include "kernel/base.h"
#include "kernel/message/message.h"

struct configuration;
struct demux_assignment;
struct flow;
struct pbuf;

/*
 * Frames of the own link server that wait here as they came: at most FRAMES_HELD_MAX, beyond which
 * a frame is copied and given back as it comes. So whatever waits, a card's queue has buffers:
 * it begins with some 250 more than its ring takes (drivers/ixgbe/ixgbe.h), of which a round needs
 * 64. Up to FRAMES_HELD_FREELY nobody copies anything to spare them.
 */
#define FRAMES_HELD_MAX    128u
#define FRAMES_HELD_FREELY 32u

uint32_t frames_held_count(void);

void frames_initialise(const struct configuration *configuration);
/* A SYN that a CM has assigned; it lies in a message, and is copied. `flags` as in
 * drivers/nic/frame.h. Sets assignment->was_taken if a connection has come of it. */
void frames_receive_assigned(struct message_payload frame, uint16_t flags,
                             struct demux_assignment *assignment);
/*
 * For a packet of an unknown flow that lwIP's IP layer has just handed up (fragments are
 * reassembled, and ICMP is understood, on the speaker, whoever owns their flow): if
 * the flow is another server's, pass it on. Returns whether it was, or should have been; the packet
 * stays the caller's.
 */
bool frames_pass_on(const struct pbuf *packet, const struct flow *flow);
/* Likewise for a SYN that has come past the connection managers, in fragments: ask one of them. It
 * comes back by frames_receive_assigned(). */
void frames_ask_manager(const struct pbuf *segment);
