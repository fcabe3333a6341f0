/* SPDX-License-Identifier: MIT */
/*
 * Buffers for received frames of one queue: the list of free ones, from which its driver fills the
 * ring, and to which whoever owns a frame releases it. Frames are not copied: the buffer that the
 * device has filled is handed over, and another one takes its place.
 *
 * Buffers are allocated when they are needed, up to a bound, and stay. A device may write to them,
 * so their pages come from where the driver says.
 */
#pragma once

#include "drivers/nic/frame.h"
#include "kernel/base.h"
#include "kernel/platform.h"
#include "libc/core/memory.h"

/* Buffers given to a device at a time: what other drivers have found worth it. */
#define NIC_REFILL_BATCH 32u

/* Buffers are allocated so many at a time. */
#define NIC_BUFFER_CHUNK 64u

struct nic_buffer {
    _Alignas(64) struct frame frame;
    bus_addr_t bus_addr;     /* where the device writes */
    struct nic_buffer *next; /* on the free list */
};

/* What distinguishes the buffers of a driver. */
struct nic_buffer_form {
    const struct memory_kind *kind;
    void *(*allocate_pages)(const struct memory_kind *kind, size_t page_count);
    uint16_t offset_bytes; /* where in a buffer the device writes */
    uint16_t header_bytes; /* what it writes in front of the frame */
};

struct nic_pool {
    struct nic_buffer *free;
    uint32_t free_count;
    uint32_t buffer_count; /* all there are */
    uint32_t buffer_max;
    struct nic_buffer_form form;
};

/* Allocate the first `count` buffers; there will be at most `max`. Both are whole chunks. `pool` is
 * all 0, or has been opened in the same form: then it keeps what it has. 0 or -ENOMEM: then some
 * may have been allocated, which stay. */
MUST_CHECK int nic_pool_open(struct nic_pool *pool, struct nic_buffer_form form, uint32_t count,
                             uint32_t max);

/* A frame's release, where a driver has nothing to add. */
void nic_pool_release(struct frame *frame);

static inline void nic_pool_put(struct nic_pool *pool, struct nic_buffer *buffer)
{
    ASSERT_SLOW(pool->free_count < pool->buffer_count); /* or it has been released before */
    buffer->next = pool->free;
    pool->free = buffer;
    pool->free_count++;
}

/* Of nic_pool_offer(): with less than a batch on the list. Returns whether there is enough. */
bool nic_pool_recover(struct nic_pool *pool, uint32_t given);

/*
 * How many free buffers to give to a device that has `given` and room for `room` more: at most as
 * many as are on the list. A batch or more at a time; when owners keep so many that the device has
 * almost none left, a few are better than a batch, and more are allocated up to the bound. Without
 * memory the device drops what it has no buffer for.
 */
static inline uint32_t nic_pool_offer(struct nic_pool *pool, uint32_t room, uint32_t given)
{
    if (UNLIKELY(pool->free_count < NIC_REFILL_BATCH) && !nic_pool_recover(pool, given)) {
        return 0;
    }
    return room < pool->free_count ? room : pool->free_count;
}

struct nic_buffers {
    uint32_t free; /* they wait for frames, in the ring or beside it */
    uint32_t used; /* frames in them have been handed over and not been released */
};

/* Of which the device has `given`. */
static inline struct nic_buffers nic_pool_count(const struct nic_pool *pool, uint32_t given)
{
    uint32_t free = pool->free_count + given;

    ASSERT_SLOW(free <= pool->buffer_count);
    return (struct nic_buffers){.free = free, .used = pool->buffer_count - free};
}
