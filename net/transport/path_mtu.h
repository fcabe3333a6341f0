/* SPDX-License-Identifier: MIT */
/*
 * Path MTU discovery (RFC 1191), for each connection alone.
 */
#pragma once

#include "kernel/base.h"
#include "net/messages.h"

struct pbuf;

/*
 * The least MTU that we believe in: old serial lines have it (RFC 1191 7.1), and what asks for less
 * wants to make us send many packets. Such a path loses our packets, as they may not be cut.
 */
#define PATH_MTU_MIN_BYTES 296u

/* What a message of "destination unreachable" says of the segment that did not arrive. */
struct path_mtu_quote {
    struct flow flow;
    uint32_t sequence;
    unsigned mtu_bytes; /* of "fragmentation needed" */
};

/* From its ICMP header on: any bytes will do. Returns whether it quotes a TCP segment of our
 * address. */
MUST_CHECK bool path_mtu_read_quote(const struct pbuf *packet, struct path_mtu_quote *quote);
/* "Fragmentation needed" has come: a message of ICMP with a good checksum, its header whole in the
 * first piece. lwIP's globals name its addresses. Takes it. */
void path_mtu_receive(struct pbuf *packet);
