/* SPDX-License-Identifier: MIT */
/*
 * A TCP segment longer than the wire takes, which the device hands over in several buffers
 * (VIRTIO 5.1.6.4, with VIRTIO_NET_F_GUEST_TSO4): each buffer becomes a frame of its own, where it
 * lies. The first has the headers, which are made those of a shorter segment; each other one gets a
 * copy into the room in front of its bytes. What the device says is checked first: a segment that
 * cannot be split is not begun.
 */
#pragma once

#include "drivers/nic/frame.h"
#include "kernel/base.h"
#include "libc/core/bytes.h"

/* Headers of Ethernet, IPv4 without options, and TCP with as many as there can be. */
#define VIRTIO_SPLIT_HEADERS_MAX 94u

#define VIRTIO_SPLIT_SEQUENCE_PLACE 38u

struct virtio_split {
    /* Those of a piece of `whole_bytes` that is neither the first nor the last, but for its
     * sequence number. */
    uint8_t headers[VIRTIO_SPLIT_HEADERS_MAX];
    uint8_t header_bytes;
    uint8_t tcp_flags;       /* of the whole; some go only to the first piece or the last */
    bool is_numbered;        /* each piece has an identification of its own */
    uint16_t identification; /* of the next piece */
    uint32_t whole_bytes;    /* what a buffer holds */
    uint32_t sequence;       /* of the next piece */
    uint32_t left_bytes;     /* of the payload: not in a piece yet */
    uint32_t pseudo_sum;     /* of the pseudo-header without its length, not folded */
};

/* Make a segment of the first buffer, of which more follow, each but the last with whole_bytes.
 * False: it cannot be split, and nothing was changed. */
MUST_CHECK bool virtio_split_begin(struct virtio_split *split, struct frame *frame,
                                   uint32_t whole_bytes);

/* Make a frame of the next buffer: `count` bytes of payload at `bytes`, which have
 * VIRTIO_SPLIT_HEADERS_MAX bytes of room in front of them. What goes beyond the length in IP's
 * header is left out. False: that is all of it. */
MUST_CHECK bool virtio_split_next(struct virtio_split *split, struct frame *frame, uint8_t *bytes,
                                  uint32_t count);

/* What all pieces are said to be: a sum that is not made yet is good. */
static inline void virtio_split_set_flags(struct frame *frame)
{
    frame->flags = FRAME_IP_CHECKSUM_GOOD | FRAME_L4_CHECKSUM_GOOD | FRAME_L4_CHECKSUM_PARTIAL;
}

/* Whether the next buffer, with so many bytes, is a piece as virtio_split_whole() makes it. */
static inline bool virtio_split_is_whole(const struct virtio_split *split, uint32_t count)
{
    return count == split->whole_bytes && count < split->left_bytes && !split->is_numbered;
}

/* As virtio_split_next(), in less time. */
static inline void virtio_split_whole(struct virtio_split *split, struct frame *frame,
                                      uint8_t *bytes)
{
    uint32_t header_bytes = split->header_bytes;
    uint8_t *at = bytes - header_bytes;

    /* Without options, with time stamps, and any other. */
    if (LIKELY(header_bytes == 54)) {
        __builtin_memcpy(at, split->headers, 54);
    } else if (LIKELY(header_bytes == 66)) {
        __builtin_memcpy(at, split->headers, 66);
    } else {
        __builtin_memcpy(at, split->headers, header_bytes);
    }
    store_be32(at + VIRTIO_SPLIT_SEQUENCE_PLACE, split->sequence);
    split->sequence += split->whole_bytes;
    split->left_bytes -= split->whole_bytes;
    frame->data = at;
    frame->length_bytes = (uint16_t)(header_bytes + split->whole_bytes);
    virtio_split_set_flags(frame);
}
