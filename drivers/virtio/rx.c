/* SPDX-License-Identifier: MIT */
/*
 * Receive ring of one queue (VIRTIO 5.1.6.3, 5.1.6.4). Frames are not copied: the buffer that the
 * device has filled is handed over, another one takes its place, and the owner's release puts it on
 * the list of free ones. Each buffer is one descriptor, and the device names it when it returns it.
 */
#include "drivers/virtio/virtio.h"

#include <errno.h>
#include <string.h>

#include "drivers/iommu/iommu.h"
#include "drivers/nic/checksum.h"
#include "drivers/nic/nic.h"
#include "kernel/platform.h"
#include "libc/core/bytes.h"
#include "libc/core/memory.h"

/* Buffers given back with one notification: what the 82599's driver does. */
#define REFILL_BATCH 32u

/* Buffers are allocated so many at a time, at most so many in all. */
#define BUFFERS_PER_PAGE (PAGE_BYTES / FRAME_BUFFER_BYTES)
#define BUFFER_CHUNK     64u
#define BUFFER_MAX       4096u

/* The device's header lies before the frame. From here on the IP header, behind 14 bytes of
 * Ethernet's, is aligned. */
#define HEADER_OFFSET   6u
#define HEADER_BYTES    sizeof(struct virtio_net_header)
#define BUFFER_BYTES    (FRAME_BUFFER_BYTES - HEADER_OFFSET)
#define ETHERNET_BYTES  14u
#define ETHERTYPE_PLACE 12u

_Static_assert((HEADER_OFFSET + HEADER_BYTES + ETHERNET_BYTES) % 16 == 0, "IP is aligned");
_Static_assert(FRAME_MAX_BYTES + HEADER_BYTES <= BUFFER_BYTES, "any frame fits a buffer");

struct virtio_rx_buffer {
    _Alignas(64) struct frame frame;
    bus_addr_t bus_addr;           /* of the header */
    struct virtio_rx_buffer *next; /* on the free list */
};

static void release_buffer(struct frame *frame)
{
    struct virtio_rx_buffer *buffer = CONTAINER_OF(frame, struct virtio_rx_buffer, frame);
    struct virtio_rx *rx = frame->release_context;

    ASSERT_SLOW(rx->free_count < rx->buffer_count); /* or it has been released before */
    buffer->next = rx->free;
    rx->free = buffer;
    rx->free_count++;
}

MEMORY_KIND(ring_kind, "virtio_rx_ring");
MEMORY_KIND(buffers_kind, "virtio_rx_buffers");

static int add_buffers(struct virtio_rx *rx)
{
    struct virtio_rx_buffer *buffers =
        memory_allocate(&buffers_kind, BUFFER_CHUNK * sizeof(*buffers));
    uint8_t *data = buffers == NULL
                        ? NULL
                        : iommu_allocate_pages(&buffers_kind, BUFFER_CHUNK / BUFFERS_PER_PAGE);

    if (data == NULL) {
        memory_release(&buffers_kind, buffers);
        return -ENOMEM;
    }
    rx->buffer_count += BUFFER_CHUNK;
    for (unsigned i = 0; i < BUFFER_CHUNK; i++) {
        struct virtio_rx_buffer *buffer = &buffers[i];
        uint8_t *header = data + (size_t)i * FRAME_BUFFER_BYTES + HEADER_OFFSET;

        buffer->frame.data = header + HEADER_BYTES;
        buffer->frame.release = release_buffer;
        buffer->frame.release_context = rx;
        buffer->bus_addr = platform_bus_addr(header);
        release_buffer(&buffer->frame);
    }
    return 0;
}

/* Make `count` buffers from the free list available, which has so many, in free descriptors. */
static void give_buffers(struct virtio_rx *rx, uint32_t count)
{
    ASSERT_SLOW(count <= rx->free_count && count <= rx->free_descriptor_count);
    for (rx->free_count -= count; count > 0; count--) {
        struct virtio_rx_buffer *buffer = rx->free;
        uint16_t id = rx->free_descriptors[--rx->free_descriptor_count];

        rx->free = buffer->next;
        rx->slots[id] = buffer;
        rx->ring.descriptors[id] = (struct virtio_descriptor){
            .bus_addr = buffer->bus_addr, .length_bytes = BUFFER_BYTES, .flags = DESCRIPTOR_WRITE};
        virtio_ring_put(&rx->ring, id);
    }
}

/* Give free buffers to the device, a batch at a time. When owners keep so many that the device has
 * almost none left, a few are better than a batch, and more are allocated up to the bound. */
static void refill_ring(struct virtio_rx *rx)
{
    uint32_t room = rx->free_descriptor_count;
    uint32_t given = rx->ring.size - room;

    if (rx->free_count < REFILL_BATCH) {
        if (rx->buffer_count < BUFFER_MAX) {
            (void)add_buffers(rx); /* without memory the device has fewer, and drops */
        }
        if (rx->free_count == 0 || (rx->free_count < REFILL_BATCH && given >= REFILL_BATCH)) {
            return;
        }
    }
    give_buffers(rx, room < rx->free_count ? room : rx->free_count);
    virtio_ring_show(&rx->ring);
}

int virtio_rx_open(struct virtio_rx *rx, unsigned size, uint64_t features,
                   struct virtio_notifier notifier)
{
    *rx = (struct virtio_rx){.can_merge = (features & VIRTIO_NET_F_MRG_RXBUF) != 0,
                             .knows_checksums = (features & VIRTIO_NET_F_GUEST_CSUM) != 0};
    int result = virtio_ring_open(&rx->ring, size, (features & VIRTIO_F_EVENT_IDX) != 0, notifier,
                                  &ring_kind);

    if (result != 0) {
        return result;
    }
    rx->slots = memory_allocate_zeroed(&ring_kind, size * sizeof(struct virtio_rx_buffer *));
    rx->free_descriptors = memory_allocate(&ring_kind, size * sizeof(*rx->free_descriptors));
    if (rx->slots == NULL || rx->free_descriptors == NULL) {
        return -ENOMEM;
    }
    for (unsigned id = size; id > 0; id--) {
        rx->free_descriptors[rx->free_descriptor_count++] = (uint16_t)(id - 1);
    }
    while (rx->buffer_count < size + BUFFER_CHUNK) { /* some spare ones to hand over among them */
        result = add_buffers(rx);
        if (result != 0) {
            return result;
        }
    }
    give_buffers(rx, size);
    /* Shown, but with no notification: the device runs only later, and is notified then. */
    rx->ring.shown = rx->ring.next_available;
    virtio_compiler_barrier();
    mmio_write16(rx->ring.available, AVAILABLE_INDEX, rx->ring.shown);
    return 0;
}

/* --- Frames --- */

#define IPV4_PLAIN_FIRST 0x45 /* version 4, five words */

/* Of a plain IPv4 header the checksum is looked at here: the device never does. */
static unsigned ip_flags(const struct frame *frame)
{
    if (frame->length_bytes < ETHERNET_BYTES + 20 ||
        load_be16(frame->data + ETHERTYPE_PLACE) != 0x0800 ||
        frame->data[ETHERNET_BYTES] != IPV4_PLAIN_FIRST) {
        return 0; /* whoever takes it looks */
    }
    return frame_sum_plain_ip(frame->data + ETHERNET_BYTES) == UINT16_MAX ? FRAME_IP_CHECKSUM_GOOD
                                                                          : FRAME_CHECKSUM_BAD;
}

/* What the device has filled, taken off the ring; NULL: it lies, and the ring has been stopped. */
static struct virtio_rx_buffer *take_buffer(struct virtio_rx *rx, uint32_t *length_bytes)
{
    struct virtio_used used = virtio_ring_take(&rx->ring);
    struct virtio_rx_buffer *buffer;

    if (used.id >= rx->ring.size || rx->slots[used.id] == NULL) {
        virtio_ring_stop(&rx->ring, "it has returned a buffer that it does not have", used.id);
        return NULL;
    }
    if (used.length_bytes > BUFFER_BYTES) {
        virtio_ring_stop(&rx->ring, "it has written more than a buffer holds", used.length_bytes);
        return NULL;
    }
    buffer = rx->slots[used.id];
    rx->slots[used.id] = NULL;
    rx->free_descriptors[rx->free_descriptor_count++] = (uint16_t)used.id;
    *length_bytes = used.length_bytes;
    return buffer;
}

/* Of a frame that begins with this buffer: what the device says of it. Returns whether it does not
 * lie. */
static bool describe_frame(struct virtio_rx *rx, struct virtio_rx_buffer *buffer,
                           uint32_t length_bytes)
{
    struct frame *frame = &buffer->frame;
    const uint8_t *header = frame->data - HEADER_BYTES;
    uint8_t flags = mmio_read8(header, offsetof(struct virtio_net_header, flags));
    uint32_t pieces = 1;

    if (length_bytes < HEADER_BYTES) {
        virtio_ring_stop(&rx->ring, "it has written less than a header", length_bytes);
        return false;
    }
    if (rx->can_merge) { /* else it need not be written (5.1.6.4) */
        pieces = mmio_read16(header, offsetof(struct virtio_net_header, buffer_count));
        if (pieces == 0 || pieces > rx->ring.size) {
            virtio_ring_stop(&rx->ring, "a frame is in an impossible number of buffers", pieces);
            return false;
        }
    }
    if (UNLIKELY(pieces > 1)) {
        /* Longer than the wire takes, as nobody here has asked for. */
        rx->skipped_pieces = pieces - 1;
        frame->length_bytes = 0;
        frame->flags = FRAME_DAMAGED;
        return true;
    }
    frame->length_bytes = (uint16_t)(length_bytes - HEADER_BYTES);
    frame->flags = (uint16_t)ip_flags(frame);
    if (rx->knows_checksums) {
        if ((flags & HEADER_NEEDS_CHECKSUM) != 0) {
            frame->flags |= FRAME_L4_CHECKSUM_GOOD | FRAME_L4_CHECKSUM_PARTIAL;
        } else if ((flags & HEADER_DATA_VALID) != 0) {
            frame->flags |= FRAME_L4_CHECKSUM_GOOD;
        }
    }
    return true;
}

static unsigned take_frames(struct virtio_rx *rx, struct frame **frames, unsigned frame_max)
{
    uint16_t returned = virtio_ring_take_returned(&rx->ring);
    unsigned count = 0;

    for (; returned > 0 && count < frame_max; returned--) {
        uint32_t length_bytes;
        struct virtio_rx_buffer *buffer = take_buffer(rx, &length_bytes);

        if (buffer == NULL) {
            break;
        }
        if (UNLIKELY(rx->skipped_pieces > 0)) {
            rx->skipped_pieces--;
            release_buffer(&buffer->frame);
            continue;
        }
        if (!describe_frame(rx, buffer, length_bytes)) {
            release_buffer(&buffer->frame);
            break;
        }
        frames[count++] = &buffer->frame;
    }
    return count;
}

static inline bool is_refill_due(const struct virtio_rx *rx)
{
    return rx->free_descriptor_count >= REFILL_BATCH && !rx->ring.is_stopped;
}

bool virtio_rx_is_idle(const struct virtio_rx *rx)
{
    /* Released buffers may be all there is for the device. */
    return virtio_ring_returned(&rx->ring) == 0 && !is_refill_due(rx);
}

unsigned virtio_receive(struct virtio_rx *rx, struct frame **frames, unsigned frame_max)
{
    unsigned count = take_frames(rx, frames, frame_max);

    if (is_refill_due(rx)) {
        refill_ring(rx);
    }
    return count;
}
