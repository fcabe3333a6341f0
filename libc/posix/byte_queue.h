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
/* Take up to so many, or with is_peek only copy them. Returns how many. */
size_t byte_queue_take(struct byte_queue *queue, void *buffer, size_t bytes, bool is_peek);
