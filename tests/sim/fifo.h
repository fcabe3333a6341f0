/* SPDX-License-Identifier: MIT */
/*
 * A queue of connections or web servers, each with a word of its owner's, as long as it need be.
 */
#pragma once

#include "kernel/base.h"

struct fifo_entry {
    uint64_t word;
    uint32_t index;
};

/* Zeroed: empty. */
struct fifo {
    struct fifo_entry *entries;
    size_t capacity; /* a power of two, or 0 */
    size_t head, tail;
};

static inline size_t fifo_count(const struct fifo *fifo)
{
    return fifo->tail - fifo->head;
}

void fifo_put(struct fifo *fifo, struct fifo_entry entry);
/* Of one that is not empty. */
struct fifo_entry fifo_take(struct fifo *fifo);
void fifo_release(struct fifo *fifo);
