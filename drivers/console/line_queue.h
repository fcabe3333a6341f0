/* SPDX-License-Identifier: MIT */
/*
 * Text on its way to a device that is slower than its writers: a ring of bytes in memory that the
 * owner brings. What is put in goes in whole or not at all, so a writer of whole lines finds whole
 * lines. An LF is kept as CR LF, which is what terminals want.
 */
#pragma once

#include "kernel/base.h"

struct line_queue {
    char *text;
    uint32_t bytes;   /* of the ring: a power of two */
    uint32_t written; /* free-running */
    uint32_t taken;   /* free-running: written - taken bytes wait, at most `bytes` */
};

/* Start empty. `bytes` is a power of two, below 2^31. */
void line_queue_initialise(struct line_queue *queue, char *text, uint32_t bytes);

static inline bool line_queue_is_empty(const struct line_queue *queue)
{
    return queue->written == queue->taken;
}
static inline uint32_t line_queue_room(const struct line_queue *queue)
{
    return queue->bytes - (queue->written - queue->taken);
}

/* Add text, if afterwards at least `keep_free` bytes of the ring are free; else false, and the
 * queue is as it was. */
MUST_CHECK bool line_queue_put(struct line_queue *queue, const char *text, size_t bytes,
                               uint32_t keep_free);

/* What waits longest, as far as it lies in one piece; returns its length, 0 when nothing waits. */
size_t line_queue_peek(const struct line_queue *queue, const char **text);
/* So many bytes of it are done. */
void line_queue_take(struct line_queue *queue, size_t bytes);

/* Drop the oldest lines until at most `most` bytes wait; returns how many lines that were. The one
 * of which a part has been taken counts as one. */
unsigned line_queue_keep_last(struct line_queue *queue, uint32_t most);
