/* SPDX-License-Identifier: MIT */
/*
 * Rings of frames in memory: see rings.h.
 */
#include "drivers/hosted/rings.h"

#include <errno.h>
#include <string.h>

#include "libc/core/memory.h"

static struct rings *rings_of(const struct nic_queue *queue)
{
    return CONTAINER_OF((struct nic_queue *)(uintptr_t)queue, struct rings, queue);
}

/* --- Frames that come --- */

static void release(struct frame *frame)
{
    struct rings *rings = frame->release_context;
    struct rings_buffer *buffer = CONTAINER_OF(frame, struct rings_buffer, frame);

    ASSERT(rings->used_count > 0);
    ASSERT_SLOW(buffer->next == buffer); /* released once */
    rings->used_count--;
    buffer->next = rings->free;
    rings->free = buffer;
}

void rings_add_buffer(struct rings *rings, struct rings_buffer *buffer)
{
    buffer->frame.data = buffer->data;
    buffer->frame.release = release;
    buffer->frame.release_context = rings;
    buffer->next = rings->free;
    rings->free = buffer;
    rings->buffer_count++;
}

MEMORY_KIND(buffers_kind, "card_buffers");

int rings_add_buffers(struct rings *rings, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct rings_buffer *buffer = memory_allocate_zeroed(&buffers_kind, sizeof(*buffer));

        if (buffer == NULL) {
            return -ENOMEM;
        }
        rings_add_buffer(rings, buffer);
    }
    return 0;
}

uint8_t *rings_reserve(struct rings *rings)
{
    bool has_room = rings->free != NULL && rings->rx_tail - rings->rx_head < rings->frame_max;

    return has_room ? rings->free->data : NULL;
}

void rings_deliver(struct rings *rings, size_t length_bytes, unsigned flags)
{
    struct rings_buffer *buffer = rings->free;

    ASSERT_SLOW(length_bytes <= FRAME_BUFFER_BYTES);
    rings->free = buffer->next;
    buffer->next = buffer;
    buffer->frame.length_bytes = (uint16_t)length_bytes;
    buffer->frame.flags = (uint16_t)flags;
    rings->rx[rings->rx_tail++ % RINGS_FRAME_MAX] = &buffer->frame;
}

bool rings_deliver_frame(struct rings *rings, struct frame *frame)
{
    if (rings->rx_tail - rings->rx_head >= rings->frame_max) {
        return false;
    }
    rings->rx[rings->rx_tail++ % RINGS_FRAME_MAX] = frame;
    return true;
}

unsigned rings_receive(struct nic_queue *queue, struct frame **frames, unsigned frame_max)
{
    struct rings *rings = rings_of(queue);
    unsigned count = 0;

    while (rings->rx_head != rings->rx_tail && count < frame_max) {
        frames[count++] = rings->rx[rings->rx_head++ % RINGS_FRAME_MAX];
    }
    rings->used_count += count;
    return count;
}

bool rings_is_pending(const struct nic_queue *queue)
{
    return rings_of(queue)->rx_head != rings_of(queue)->rx_tail;
}

uint32_t rings_take_dropped(struct nic_queue *queue)
{
    uint32_t dropped = rings_of(queue)->dropped;

    rings_of(queue)->dropped = 0;
    return dropped;
}

struct nic_buffers rings_count_buffers(const struct nic_queue *queue)
{
    const struct rings *rings = rings_of(queue);

    return (struct nic_buffers){
        .free = rings->buffer_count - rings->used_count,
        .used = rings->used_count,
    };
}

/* --- Frames to send --- */

int rings_transmit(struct nic_queue *queue, const struct frame_to_send *frame)
{
    struct rings *rings = rings_of(queue);

    if (rings->tx_tail - rings->tx_done >= rings->frame_max) {
        return -EAGAIN;
    }
    nic_count_sent(frame, nic_header_bytes(frame));
    rings->tx[rings->tx_tail++ % RINGS_FRAME_MAX] = *frame;
    return 0;
}

void rings_flush(struct nic_queue *queue)
{
    rings_of(queue)->tx_flushed = rings_of(queue)->tx_tail;
}

const struct frame_to_send *rings_take(struct rings *rings)
{
    return rings->tx_taken != rings->tx_flushed ? &rings->tx[rings->tx_taken++ % RINGS_FRAME_MAX]
                                                : NULL;
}

void rings_copy_frame(void *to, const struct frame_to_send *frame)
{
    uint8_t *at = to;

    for (unsigned i = 0; i < frame->fragment_count; i++) {
        memcpy(at, frame->fragments[i].data, frame->fragments[i].length_bytes);
        at += frame->fragments[i].length_bytes;
    }
    ASSERT_SLOW(at == (uint8_t *)to + frame->length_bytes);
}

unsigned rings_reclaim(struct nic_queue *queue)
{
    struct rings *rings = rings_of(queue);
    unsigned told = 0;

    while (rings->tx_done != rings->tx_taken) {
        const struct frame_to_send *frame = &rings->tx[rings->tx_done % RINGS_FRAME_MAX];
        void (*done)(void *context) = frame->done;
        void *context = frame->context;

        rings->tx_done++; /* who is told may send, perhaps into this place */
        if (done != NULL) {
            done(context);
            told++;
        }
    }
    return told;
}

unsigned rings_in_flight(const struct nic_queue *queue)
{
    return rings_of(queue)->tx_tail - rings_of(queue)->tx_done;
}
