/* SPDX-License-Identifier: MIT */
/*
 * lwIP as the receiver of what does not come in order: it is lent the receive half of a connection
 * for one segment, as a PCB in which nothing else is set, and keeps that PCB only while bytes wait
 * beyond a hole. It puts bytes in order and says which it has (SACK); it knows of no state, no
 * acknowledgement and no timer, raises no event and sends nothing
 * (net/transport/lwip/patches/0010-lent-receiver.patch).
 *
 * What waits lies in copies (net/transport/held.h): no frame is kept for it.
 */
#pragma once

#include "kernel/base.h"

struct packet;
struct pbuf;
struct tcb;

/* What has come in order by a segment. */
struct lent_bytes {
    struct pbuf *packet; /* NULL: none. The caller's, linked as a packet; tot_len may be too short
                            for it, see pbuf_split_64k() */
    uint32_t length_bytes;
    bool has_fin; /* behind them */
};

/*
 * Let lwIP have bytes and FIN of a segment that is acceptable (RFC 9293 3.10.7.4): what lies
 * outside of the window is cut off here. Reads tcb->rcv_nxt and rcv_edge; the caller moves rcv_nxt.
 *
 * False: no memory; the segment is lost, and counted.
 */
MUST_CHECK bool lend_segment(struct tcb *tcb, const struct packet *packet,
                             struct lent_bytes *in_order);
/* The loan begins; lend_segment() does so by itself. A test that does so has lwIP put in order what
 * comes in order. False, and counted, without memory. */
MUST_CHECK bool lend_begin(struct tcb *tcb);
/* SACK blocks of what waits (RFC 2018 4), the most recent first: pairs of left and right. Returns
 * how many. */
unsigned lend_sack_blocks(const struct tcb *tcb, uint32_t blocks[][2], unsigned most);
/* When what waits is to be forgotten. There must be a loan. */
uint32_t lend_deadline_us(const struct tcb *tcb);
/* Forget what waits beyond the hole: it may be, at any time (RFC 2018 8). */
void lend_forget(struct tcb *tcb);
/* The same for all connections if memory is short (held.h), else for all of this address, which has
 * its part of it. Does so at most ten times a second. */
void lend_make_room(uint32_t remote_address);
