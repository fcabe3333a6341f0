/* SPDX-License-Identifier: MIT */
/*
 * Buffers for received frames: see buffers.h.
 */
#include "drivers/nic/buffers.h"

#include <errno.h>

#include "kernel/limits.h"

#define BUFFERS_PER_PAGE (PAGE_BYTES / FRAME_BUFFER_BYTES)

_Static_assert(PAGE_BYTES % FRAME_BUFFER_BYTES == 0, "no buffer lies across two pages");

void nic_pool_release(struct frame *frame)
{
    nic_pool_put(frame->release_context, CONTAINER_OF(frame, struct nic_buffer, frame));
}

static int add_buffers(struct nic_pool *pool)
{
    const struct nic_buffer_form *form = &pool->form;
    struct nic_buffer *buffers = memory_allocate(form->kind, NIC_BUFFER_CHUNK * sizeof(*buffers));
    uint8_t *data = buffers == NULL
                        ? NULL
                        : form->allocate_pages(form->kind, NIC_BUFFER_CHUNK / BUFFERS_PER_PAGE);

    if (data == NULL) {
        memory_release(form->kind, buffers);
        return -ENOMEM;
    }
    pool->buffer_count += NIC_BUFFER_CHUNK;
    for (unsigned i = 0; i < NIC_BUFFER_CHUNK; i++) {
        struct nic_buffer *buffer = &buffers[i];
        uint8_t *written = data + (size_t)i * FRAME_BUFFER_BYTES + form->offset_bytes;

        buffer->frame.data = written + form->header_bytes;
        buffer->frame.release = nic_pool_release;
        buffer->frame.release_context = pool;
        buffer->bus_addr = platform_bus_addr(written);
        nic_pool_put(pool, buffer);
    }
    return 0;
}

int nic_pool_open(struct nic_pool *pool, struct nic_buffer_form form, uint32_t count, uint32_t max)
{
    ASSERT(count % NIC_BUFFER_CHUNK == 0 && max % NIC_BUFFER_CHUNK == 0);
    pool->buffer_max = max;
    pool->form = form;
    while (pool->buffer_count < count) {
        int result = add_buffers(pool);

        if (result != 0) {
            return result;
        }
    }
    return 0;
}

bool nic_pool_recover(struct nic_pool *pool, uint32_t given)
{
    if (pool->buffer_count < pool->buffer_max) {
        (void)add_buffers(pool);
    }
    return pool->free_count >= NIC_REFILL_BATCH ||
           (pool->free_count > 0 && given < NIC_REFILL_BATCH);
}
