/* SPDX-License-Identifier: MIT */
/*
 * The link server (LS): owns one queue pair of the NIC. Hands every frame to the TS that owns its
 * flow; sends frames for TSs. The first living LS drives the NIC: brings it up, has it steer, and
 * tells the TSs (NIC_READY).
 */
#pragma once

#include "kernel/base.h"

struct configuration;
struct frame_to_send;
struct nic_queue;

/* Start the LS role on this node. A machine without a NIC that a driver knows: one log line, and no
 * frames. */
void link_server_start(const struct configuration *configuration);

/*
 * Send a frame through this node's own LS, by reference: the fragments stay untouched until
 * frame->done. FRAME_SEGMENT_TCP only if NIC_READY says so. Returns 0; -EAGAIN when the ring is
 * full (nothing taken), -ENODEV without a queue. The NIC is told once, at the end of the dispatch
 * round.
 */
MUST_CHECK int link_server_transmit(const struct frame_to_send *frame);

/* Whether this node's own LS has a queue that takes FRAME_SEGMENT_TCP. */
bool link_server_can_segment_tcp(void);

/* For attach.c: this queue takes frames from now on. Once, or again by a card that has been started
 * anew. */
void link_server_use_queue(struct nic_queue *nic);
/* And it receives what still comes to that node's, which has died (takeover.h). */
void link_server_take_over(node_id_t node);
