/* SPDX-License-Identifier: MIT */
/*
 * A ring of bytes: see byte_queue.h.
 */
#include "libc/posix/byte_queue.h"

#include <string.h>
#include <sys/uio.h>

#include "kernel/platform.h"
#include "libc/core/memory.h"

MEMORY_KIND(ring_kind, "byte_queue");

_Static_assert(BYTE_QUEUE_BYTES % MEMORY_PAGE_BYTES == 0, "whole pages");
#define RING_PAGES (BYTE_QUEUE_BYTES / MEMORY_PAGE_BYTES)

bool byte_queue_open(struct byte_queue *queue)
{
    *queue = (struct byte_queue){.ring = memory_allocate_pages(&ring_kind, RING_PAGES)};
    return queue->ring != NULL;
}

void byte_queue_close(struct byte_queue *queue)
{
    memory_release_pages(&ring_kind, queue->ring, RING_PAGES);
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* There is room. */
static void append(struct byte_queue *queue, const uint8_t *from, size_t bytes)
{
    size_t end = (queue->start + queue->count) % BYTE_QUEUE_BYTES;
    size_t first = least(bytes, BYTE_QUEUE_BYTES - end);

    ASSERT(bytes <= byte_queue_room(queue));
    memcpy(queue->ring + end, from, first);
    memcpy(queue->ring, from + first, bytes - first);
    queue->count += bytes;
}

size_t byte_queue_put(struct byte_queue *queue, const struct iovec *pieces, size_t skip,
                      size_t bytes)
{
    size_t left = least(bytes - skip, byte_queue_room(queue));
    size_t total = left;

    for (const struct iovec *piece = pieces; left > 0; piece++) {
        if (skip >= piece->iov_len) {
            skip -= piece->iov_len;
            continue;
        }
        size_t part = least(left, piece->iov_len - skip);
        append(queue, (const uint8_t *)piece->iov_base + skip, part);
        left -= part;
        skip = 0;
    }
    return total;
}

uint8_t *byte_queue_next_room(const struct byte_queue *queue, size_t *bytes)
{
    size_t end = (queue->start + queue->count) % BYTE_QUEUE_BYTES;

    *bytes = least(byte_queue_room(queue), BYTE_QUEUE_BYTES - end);
    return queue->ring + end;
}

void byte_queue_note_put(struct byte_queue *queue, size_t bytes)
{
    ASSERT(bytes <= byte_queue_room(queue));
    queue->count += bytes;
}

const uint8_t *byte_queue_first_bytes(const struct byte_queue *queue, size_t *bytes)
{
    *bytes = least(queue->count, BYTE_QUEUE_BYTES - queue->start);
    return queue->ring + queue->start;
}

void byte_queue_drop(struct byte_queue *queue, size_t bytes)
{
    ASSERT(bytes <= queue->count);
    queue->start = (queue->start + bytes) % BYTE_QUEUE_BYTES;
    queue->count -= bytes;
}

size_t byte_queue_copy(struct byte_queue *to, const struct byte_queue *from, size_t bytes)
{
    size_t total = least(least(bytes, from->count), byte_queue_room(to));
    size_t first = least(total, BYTE_QUEUE_BYTES - from->start);

    append(to, from->ring + from->start, first);
    append(to, from->ring, total - first);
    return total;
}

size_t byte_queue_take(struct byte_queue *queue, void *buffer, size_t bytes, bool is_peek)
{
    size_t total = least(bytes, queue->count);
    size_t first = least(total, BYTE_QUEUE_BYTES - queue->start);

    if (total == 0) {
        return 0; /* nothing is copied to a buffer that may be none */
    }
    memcpy(buffer, queue->ring + queue->start, first);
    memcpy((uint8_t *)buffer + first, queue->ring, total - first);
    if (!is_peek) {
        byte_queue_drop(queue, total);
    }
    return total;
}
