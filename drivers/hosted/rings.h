/* SPDX-License-Identifier: MIT */
/*
 * A queue whose other side is a program: rings of frames in memory. First what a driver's table of
 * operations (drivers/nic/nic.h) names as it is, then what the other side does.
 *
 * Counters run freely; a ring's place is its low bits. Frames to send are read where they lie, when
 * the other side takes them: until then their owners leave them alone.
 */
#pragma once

#include "drivers/nic/nic.h"
#include "kernel/base.h"

#define RINGS_FRAME_MAX 1024u /* in either direction; a power of two */

/* A buffer for a frame that comes. */
struct rings_buffer {
    struct frame frame;
    struct rings_buffer *next; /* free; itself while it holds a frame */
    _Alignas(CHANNEL_LINE_BYTES) uint8_t data[FRAME_BUFFER_BYTES];
};

/* All zero but for frame_max: two empty rings without a buffer. */
struct rings {
    struct nic_queue queue;
    uint32_t frame_max; /* that each ring takes, at most RINGS_FRAME_MAX */
    struct frame *rx[RINGS_FRAME_MAX];
    uint32_t rx_head, rx_tail;
    struct frame_to_send tx[RINGS_FRAME_MAX];
    uint32_t tx_done, tx_taken, tx_flushed, tx_tail; /* in this order */
    struct rings_buffer *free;
    uint32_t buffer_count;
    uint32_t used_count; /* frames that have been handed over and not been released */
    uint32_t dropped;    /* for lack of room: counted by who drops */
};

/* --- Operations --- */

unsigned rings_receive(struct nic_queue *queue, struct frame **frames, unsigned frame_max);
bool rings_is_pending(const struct nic_queue *queue);
/* Checksums are not inserted: who takes the frame does. */
int rings_transmit(struct nic_queue *queue, const struct frame_to_send *frame);
void rings_flush(struct nic_queue *queue);
unsigned rings_reclaim(struct nic_queue *queue);
unsigned rings_in_flight(const struct nic_queue *queue);
uint32_t rings_take_dropped(struct nic_queue *queue);
struct nic_buffers rings_count_buffers(const struct nic_queue *queue);

/* --- The other side --- */

/* Allocate so many buffers. 0 or -ENOMEM: fewer are there. */
MUST_CHECK int rings_add_buffers(struct rings *rings, unsigned count);
/* Add one. It stays the rings' for good. */
void rings_add_buffer(struct rings *rings, struct rings_buffer *buffer);

/* Where the next frame may be written, FRAME_BUFFER_BYTES of room; NULL when all buffers are in use
 * or the ring is full. It comes with rings_deliver(), the next call. */
uint8_t *rings_reserve(struct rings *rings);
void rings_deliver(struct rings *rings, size_t length_bytes, unsigned flags);
/* A frame comes that lies elsewhere; whose `release` counts used_count down. False: no room. */
bool rings_deliver_frame(struct rings *rings, struct frame *frame);

/* The oldest frame to be sent that has been flushed and not been taken; it stays valid until the
 * next reclaim. NULL: there is none. */
const struct frame_to_send *rings_take(struct rings *rings);
/* Its bytes in one piece: frame->length_bytes. */
void rings_copy_frame(void *to, const struct frame_to_send *frame);
