/* SPDX-License-Identifier: MIT */
/*
 * A list of chunks. A chunk is released as soon as its last byte has been read, so every chunk on
 * the list has bytes to read.
 */
#include "net/streams/received.h"

#include <errno.h>
#include <string.h>

#include "kernel/platform.h"
#include "libc/core/memory.h"

/* Small enough for memory's small classes, large enough for a common request's head. Chosen. */
#define CHUNK_MIN_BYTES (256 - sizeof(struct received_chunk))

struct received_chunk {
    struct received_chunk *next;
    uint32_t length_bytes;
    uint32_t read_bytes; /* of these, from the start */
    uint32_t capacity_bytes;
    uint32_t reserved;
    uint8_t bytes[];
};

MEMORY_KIND(chunk_kind, "stream_received");

static struct received_chunk *add_chunk(struct received *received, size_t length_bytes)
{
    size_t capacity_bytes = length_bytes > CHUNK_MIN_BYTES ? length_bytes : CHUNK_MIN_BYTES;
    struct received_chunk *chunk = memory_allocate(&chunk_kind, sizeof(*chunk) + capacity_bytes);

    if (chunk == NULL) {
        return NULL;
    }
    *chunk = (struct received_chunk){.capacity_bytes = (uint32_t)capacity_bytes};
    if (received->head == NULL) {
        received->head = chunk;
    } else {
        received->tail->next = chunk;
    }
    received->tail = chunk;
    return chunk;
}

int received_append(struct received *received, const void *bytes, size_t length_bytes)
{
    struct received_chunk *tail = received->head != NULL ? received->tail : NULL;

    ASSERT_SLOW((received->head != NULL) == (received->bytes != 0));
    if (length_bytes == 0) {
        return 0;
    }
    ASSERT_SLOW(received->bytes <= RECEIVED_MAX_BYTES);
    if (length_bytes > RECEIVED_MAX_BYTES - received->bytes) {
        return -EMSGSIZE;
    }
    if (tail == NULL || tail->capacity_bytes - tail->length_bytes < length_bytes) {
        tail = add_chunk(received, length_bytes);
        if (tail == NULL) {
            return -ENOMEM;
        }
    }
    ASSERT_SLOW(tail->next == NULL);
    ASSERT_SLOW(length_bytes <= tail->capacity_bytes - tail->length_bytes);
    memcpy(tail->bytes + tail->length_bytes, bytes, length_bytes);
    tail->length_bytes += (uint32_t)length_bytes;
    received->bytes += (uint32_t)length_bytes;
    return 0;
}

size_t received_take(struct received *received, void *buffer, size_t length_bytes, bool is_peek)
{
    uint8_t *to = buffer;
    size_t taken = 0;

    for (struct received_chunk *chunk = received->head; chunk != NULL && taken < length_bytes;) {
        struct received_chunk *next = chunk->next;
        size_t part = chunk->length_bytes - chunk->read_bytes;
        ASSERT_SLOW(part > 0);
        if (part > length_bytes - taken) {
            part = length_bytes - taken;
        }
        memcpy(to + taken, chunk->bytes + chunk->read_bytes, part);
        taken += part;
        if (!is_peek) {
            chunk->read_bytes += (uint32_t)part;
            if (chunk->read_bytes == chunk->length_bytes) {
                received->head = next;
                memory_release(&chunk_kind, chunk);
            }
        }
        chunk = next;
    }
    if (!is_peek) {
        ASSERT_SLOW(taken <= received->bytes);
        received->bytes -= (uint32_t)taken;
        ASSERT_SLOW((received->head != NULL) == (received->bytes != 0));
    }
    return taken;
}

void received_drop(struct received *received)
{
    while (received->head != NULL) {
        struct received_chunk *chunk = received->head;
        received->head = chunk->next;
        memory_release(&chunk_kind, chunk);
    }
    received->bytes = 0;
}
