/* SPDX-License-Identifier: MIT */
/*
 * Active opens: a connection before its handshake is complete (SYN-SENT, and SYN-RECEIVED of a
 * simultaneous open, RFC 9293 3.5). An application asks for it (OPEN_CONNECTION); when the peer's
 * SYN-ACK has come there is a connection that is that application's from the start.
 *
 * The SYN is sent seven times, 1, 2, 4 ... 64 s apart, as Linux does: then ETIMEDOUT, after 127 s.
 * A reset means ECONNREFUSED, a router's word that there is no way what Linux makes of it; a
 * neighbour that does not answer for as long as neighbours are waited for is EHOSTUNREACH.
 */
#pragma once

#include "kernel/base.h"
#include "net/messages.h"

struct pbuf;
struct segment;

#define ACTIVE_MAX        4096u /* at a time, of a node; chosen, as HALF_OPEN_MAX is */
#define ACTIVE_SYNS       7u
#define ACTIVE_TIMEOUT_NS NS_PER_S /* RFC 6298 2.1 */

void active_initialise(void);
uint32_t active_count(void);
/* A segment of a flow without connection. Returns whether it was one of an active open: then it is
 * dealt with, all of it. */
MUST_CHECK bool active_segment(struct segment *segment);
/* A router, or the peer's host, says that the SYN with this number has not arrived: error_number as
 * errno. Returns whether there is such an open, which ends. */
MUST_CHECK bool active_is_unreachable(const struct flow *flow, uint32_t sequence, int error_number);
/* A node has died: what its application has asked for is forgotten. */
void active_lose_node(node_id_t node);
