/* SPDX-License-Identifier: MIT */
/*
 * Bytes on their way through a pipe or between two sockets of a pair: a ring of fixed size.
 */
#pragma once

#include "kernel/base.h"

#define BYTE_QUEUE_BYTES 65536u /* as a pipe of Linux */

struct iovec;

struct byte_queue {
    uint8_t *ring;
    size_t start, count;
};

/* Empty; false without memory. */
MUST_CHECK bool byte_queue_open(struct byte_queue *queue);
void byte_queue_close(struct byte_queue *queue);

static inline size_t byte_queue_room(const struct byte_queue *queue)
{
    return BYTE_QUEUE_BYTES - queue->count;
}

/* Append of the pieces, without the first `skip` bytes, as much as there is room for, of `bytes` in
 * all. Returns how many. */
size_t byte_queue_put(struct byte_queue *queue, const struct iovec *pieces, size_t skip,
                      size_t bytes);
/* The next room that lies in one piece, for whoever fills it himself, and how much was put there;
 * the first bytes that do, and how many of them are done with. */
uint8_t *byte_queue_next_room(const struct byte_queue *queue, size_t *bytes);
void byte_queue_note_put(struct byte_queue *queue, size_t bytes);
const uint8_t *byte_queue_first_bytes(const struct byte_queue *queue, size_t *bytes);
void byte_queue_drop(struct byte_queue *queue, size_t bytes);
/* Copy up to so many, as far as there is room, behind those of another queue. Returns how many. */
size_t byte_queue_copy(struct byte_queue *to, const struct byte_queue *from, size_t bytes);
/* Take up to so many, or with is_peek only copy them. Returns how many. */
size_t byte_queue_take(struct byte_queue *queue, void *buffer, size_t bytes, bool is_peek);
