/* SPDX-License-Identifier: MIT */
#include "net/transport/tcp/send_buffer.h"

#include <string.h>

struct small_buffer {
    struct send_buffer buffer;
    uint8_t bytes[SEND_BUFFER_SMALL_BYTES - sizeof(struct send_buffer)];
};
struct large_buffer {
    struct send_buffer buffer;
    uint8_t bytes[SEND_BUFFER_LARGE_BYTES - sizeof(struct send_buffer)];
};

_Static_assert(sizeof(struct small_buffer) == SEND_BUFFER_SMALL_BYTES, "counted as that");
_Static_assert(sizeof(struct large_buffer) == SEND_BUFFER_LARGE_BYTES, "counted as that");

POOL(small_buffers, "tcp_send_small", struct small_buffer, POOL_CHUNK);
POOL(large_buffers, "tcp_send_large", struct large_buffer, POOL_CHUNK);

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
    return take_from(&small_buffers, sizeof(((struct small_buffer *)0)->bytes));
}

static __attribute__((noinline)) struct send_buffer *take_large(void)
{
    return take_from(&large_buffers, sizeof(((struct large_buffer *)0)->bytes));
}

inline __attribute__((always_inline)) struct send_buffer *
send_buffer_take_inline(uint32_t length_bytes)
{
    struct send_buffer *buffer;

    if (length_bytes <= sizeof(((struct small_buffer *)0)->bytes)) {
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

void send_buffer_give_back(struct send_buffer *buffer)
{
    ASSERT_SLOW(buffer->holder_count == 0);
    if (HAS_SLOW_CHECKS) {
        /* A frame that still has it shows. */
        memset(send_buffer_bytes(buffer), 0xDB, buffer->room_bytes);
    }
    if (buffer->room_bytes == sizeof(((struct small_buffer *)0)->bytes)) {
        pool_release(&small_buffers, buffer);
    } else {
        pool_release(&large_buffers, buffer);
    }
}

bool send_buffer_is_exhausted(void)
{
    return pool_is_exhausted(&small_buffers) && pool_is_exhausted(&large_buffers);
}

bool send_buffer_is_scarce(void)
{
    return large_buffers.kind->counts->objects > large_buffers.object_max / 2;
}

uint64_t send_buffer_memory_bytes(void)
{
    return small_buffers.kind->counts->objects * SEND_BUFFER_SMALL_BYTES +
           large_buffers.kind->counts->objects * SEND_BUFFER_LARGE_BYTES;
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
}
