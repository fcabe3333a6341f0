/* SPDX-License-Identifier: MIT */
/*
 * ICMP's "destination unreachable" (RFC 792) for connections that are about to be opened. Those
 * that are open pass over it: it may be a moment's (RFC 1122 4.2.3.9), or anybody's (RFC 5927).
 */
#pragma once

struct pbuf;

/* Such a message, from its ICMP header on, its checksum verified; takes the packet. */
void unreachable_receive(struct pbuf *packet);
