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

/* Headers of Ethernet, IPv4 without options, and TCP with as many as there can be. */
#define VIRTIO_SPLIT_HEADERS_MAX 94u

struct virtio_split {
    uint8_t headers[VIRTIO_SPLIT_HEADERS_MAX];
    uint8_t header_bytes;
    uint8_t tcp_flags;       /* of the whole; some go only to the first piece or the last */
    uint16_t identification; /* of the next piece */
    uint32_t sequence;       /* likewise */
    uint32_t left_bytes;     /* of the payload: not in a piece yet */
    uint32_t pseudo_sum;     /* of the pseudo-header without its length, not folded */
};

/* Make a segment of the first buffer, of which more follow. False: it cannot be split, and nothing
 * was changed. */
MUST_CHECK bool virtio_split_begin(struct virtio_split *split, struct frame *frame);

/* Make a frame of the next buffer: `count` bytes of payload at `bytes`, which have
 * VIRTIO_SPLIT_HEADERS_MAX bytes of room in front of them. What goes beyond the length in IP's
 * header is left out. False: that is all of it. */
MUST_CHECK bool virtio_split_next(struct virtio_split *split, struct frame *frame, uint8_t *bytes,
                                  uint32_t count);
