/* SPDX-License-Identifier: MIT */
#include "net/transport/tcp/send_buffer.h"

#include <string.h>

#include "libc/core/snapshot.h"

struct small_buffer {
    struct send_buffer buffer;
    uint8_t bytes[SEND_BUFFER_SMALL_BYTES - sizeof(struct send_buffer)];
};
struct large_buffer {
    struct send_buffer buffer;
    uint8_t bytes[SEND_BUFFER_LARGE_BYTES - sizeof(struct send_buffer)];
};

struct snapshot_buffer {
    struct send_buffer buffer; /* its room is full: that of the pages, but for a byte */
    struct snapshot *snapshot;
};

#define SMALL_ROOM sizeof(((struct small_buffer *)0)->bytes)
#define LARGE_ROOM sizeof(((struct large_buffer *)0)->bytes)

_Static_assert(SMALL_ROOM < MEMORY_PAGE_BYTES - 1 && LARGE_ROOM < MEMORY_PAGE_BYTES - 1 &&
                   SNAPSHOT_PAGES_MAX * MEMORY_PAGE_BYTES - 1 <= UINT16_MAX,
               "the room tells the kind");
_Static_assert(sizeof(struct small_buffer) == SEND_BUFFER_SMALL_BYTES, "counted as that");
_Static_assert(sizeof(struct large_buffer) == SEND_BUFFER_LARGE_BYTES, "counted as that");

POOL(small_buffers, "tcp_send_small", struct small_buffer, POOL_CHUNK);
POOL(large_buffers, "tcp_send_large", struct large_buffer, POOL_CHUNK);
POOL(snapshot_buffers, "tcp_send_snapshot", struct snapshot_buffer, POOL_CHUNK);

static inline struct send_buffer *take_from(struct pool *pool, size_t room_bytes)
{
    struct send_buffer *buffer = pool_take(pool);

    if (LIKELY(buffer != NULL)) {
        buffer->holder_count = 1;
        buffer->is_leading = false;
        buffer->used_bytes = 0;
        buffer->room_bytes = (uint16_t)room_bytes;
    }
    return buffer;
}

static struct send_buffer *take_small(void)
{
    return take_from(&small_buffers, SMALL_ROOM);
}

static __attribute__((noinline)) struct send_buffer *take_large(void)
{
    return take_from(&large_buffers, LARGE_ROOM);
}

inline __attribute__((always_inline)) struct send_buffer *
send_buffer_take_inline(uint32_t length_bytes)
{
    struct send_buffer *buffer;

    if (length_bytes <= SMALL_ROOM) {
        buffer = take_small();
        return LIKELY(buffer != NULL) ? buffer : take_large();
    }
    buffer = take_large();
    return LIKELY(buffer != NULL) ? buffer : take_small();
}

struct send_buffer *send_buffer_take(uint32_t length_bytes)
{
    return send_buffer_take_inline(length_bytes);
}

struct send_buffer *send_buffer_of_snapshot(struct snapshot *snapshot)
{
    struct send_buffer *buffer =
        take_from(&snapshot_buffers, snapshot->frame_count * (size_t)MEMORY_PAGE_BYTES - 1);

    if (buffer != NULL) {
        buffer->used_bytes = buffer->room_bytes;
        ((struct snapshot_buffer *)buffer)->snapshot = snapshot;
    }
    return buffer;
}

struct snapshot *send_buffer_snapshot(const struct send_buffer *buffer)
{
    ASSERT_SLOW(buffer->room_bytes >= MEMORY_PAGE_BYTES - 1);
    return ((const struct snapshot_buffer *)buffer)->snapshot;
}

/* A frame that still has it shows. */
static inline void spoil(struct send_buffer *buffer)
{
    if (HAS_SLOW_CHECKS) {
        memset(send_buffer_bytes(buffer), 0xDB, buffer->room_bytes);
    }
}

static __attribute__((noinline)) void give_back_other(struct send_buffer *buffer)
{
    if (buffer->room_bytes == LARGE_ROOM) {
        spoil(buffer);
        pool_release(&large_buffers, buffer);
    } else {
        snapshot_release(send_buffer_snapshot(buffer));
        pool_release(&snapshot_buffers, buffer);
    }
}

void send_buffer_give_back(struct send_buffer *buffer)
{
    ASSERT_SLOW(buffer->holder_count == 0);
    if (buffer->room_bytes == SMALL_ROOM) {
        spoil(buffer);
        pool_release(&small_buffers, buffer);
    } else {
        give_back_other(buffer);
    }
}

bool send_buffer_is_exhausted(void)
{
    return pool_is_exhausted(&small_buffers) && pool_is_exhausted(&large_buffers);
}

bool send_buffer_is_scarce(void)
{
    return large_buffers.kind.counts->objects > large_buffers.object_max / 2;
}

uint64_t send_buffer_memory_bytes(void)
{
    return small_buffers.kind.counts->objects * SEND_BUFFER_SMALL_BYTES +
           large_buffers.kind.counts->objects * SEND_BUFFER_LARGE_BYTES;
}

uint32_t send_buffer_pool_max(const struct pool *pool, uint64_t memory_bytes)
{
    uint64_t count = memory_bytes / pool->object_bytes;

    if (count < POOL_CHUNK) {
        return POOL_CHUNK;
    }
    return count < UINT32_MAX / 2 ? ALIGN_DOWN((uint32_t)count, POOL_CHUNK)
                                  : ALIGN_DOWN(UINT32_MAX / 2, POOL_CHUNK);
}

void send_buffer_initialise(uint64_t small_memory_bytes, uint64_t large_memory_bytes)
{
    small_buffers.object_max = send_buffer_pool_max(&small_buffers, small_memory_bytes);
    large_buffers.object_max = send_buffer_pool_max(&large_buffers, large_memory_bytes);
    /* Snapshots have a limit of their own, of less than this. */
    snapshot_buffers.object_max = send_buffer_pool_max(&snapshot_buffers, large_memory_bytes);
}
