/* SPDX-License-Identifier: MIT */
/*
 * A TCP segment that has come, or another frame, with the buffer in which it lies. Who wants its
 * bytes keeps them; what nobody keeps costs no pbuf.
 */
#pragma once

#include "net/packet.h"

struct frame;
struct pbuf;

struct segment {
    const struct packet *packet;
    struct frame *frame; /* as it came from this node's LS; NULL: `buffer` has it */
    struct pbuf *buffer; /* one piece, from packet->bytes on */
    uint32_t flow_hash;  /* of a flow without connection: flow_hash() of it, once for all tables */
    /* NULL, or of one that its flow's owner does not know: who has not been asked (kept.h). */
    const struct node_set *others;
    bool is_kept;
    bool is_forwarded; /* from another node: not to be passed on once more */
};

/*
 * A pbuf with the payload, which the caller owns; the frame goes back when that is freed. Once for
 * each segment. NULL, and counted, without memory.
 */
struct pbuf *segment_keep(struct segment *segment);
/* The whole frame, whatever it is. */
struct pbuf *segment_keep_frame(struct segment *segment);
