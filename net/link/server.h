/* SPDX-License-Identifier: MIT */
/*
 * The link server (LS): owns one RX/TX queue pair of the NIC. Hands SYNs to a CM and every other
 * frame to the TS that owns the flow; sends frames for TSs. The first LS brings up the NIC and
 * the flow director and tells the others (NIC_READY).
 */
#pragma once

#include "kernel/base.h"

struct configuration;
struct frame_to_send;

/* Start the LS role on this node. A machine without a NIC of ours: one log line, and no frames. */
void link_server_start(const struct configuration *configuration);

/*
 * Send a frame through this node's own LS, by reference: the fragments stay untouched until
 * frame->done. Returns 0; -EAGAIN when the ring is full (nothing taken), -ENODEV without a NIC.
 * The tail register is written once, at the end of the dispatch round.
 */
MUST_CHECK int link_server_transmit(const struct frame_to_send *frame);
