/* SPDX-License-Identifier: MIT */
/*
 * ICMP's "destination unreachable" (RFC 792) for connections that are about to be opened. Those
 * that are open pass over it: it may be a moment's (RFC 1122 4.2.3.9), or anybody's (RFC 5927).
 */
#pragma once

#include "kernel/base.h"
#include "net/messages.h"

struct pbuf;

/* A message about a segment of that flow, which nothing here has: to whom it may belong. Returns as
 * frames_pass_on(). */
MUST_CHECK bool unreachable_pass_on(const struct pbuf *packet, const struct flow *flow);

/* Such a message, from its ICMP header on, its checksum verified; takes the packet. */
void unreachable_receive(struct pbuf *packet);
