/* SPDX-License-Identifier: MIT */
/*
 * Transmit ring of one queue (VIRTIO 5.1.6.2). A frame is gathered from its fragments where they
 * lie, behind a header that says what the device shall do with it. Descriptors are taken in their
 * order, so a frame is a run of them, and `next` never changes. The device may return frames in any
 * order; their owners are told in the order of sending.
 */
#include "drivers/virtio/virtio.h"

#include <errno.h>
#include <string.h>

#include "drivers/nic/checksum.h"
#include "drivers/nic/nic.h"
#include "kernel/limits.h"
#include "kernel/platform.h"
#include "libc/core/bytes.h"
#include "libc/core/memory.h"

/* Where fields stand in their headers (RFC 791 3.1, RFC 9293 3.1, RFC 768). */
#define IPV4_LENGTH_PLACE   2u
#define IPV4_CHECKSUM_PLACE 10u
#define IPV4_PLAIN_BYTES    20u
#define TCP_CHECKSUM_PLACE  16u
#define UDP_CHECKSUM_PLACE  6u

#define INSERT_L4 (FRAME_INSERT_TCP_CHECKSUM | FRAME_INSERT_UDP_CHECKSUM)

/* With the header's. */
#define FRAME_DESCRIPTORS_MAX (1u + FRAME_FRAGMENT_MAX)

struct virtio_tx_frame {
    void (*done)(void *context); /* may be NULL */
    void *context;
    uint16_t descriptor_count; /* 0: none begins here */
    bool is_returned;
};

MEMORY_KIND(ring_kind, "virtio_tx_ring");

int virtio_tx_open(struct virtio_tx *tx, unsigned size, uint64_t features,
                   struct virtio_notifier notifier)
{
    int result;

    ASSERT(size >= FRAME_DESCRIPTORS_MAX);
    *tx = (struct virtio_tx){.can_checksum = (features & VIRTIO_NET_F_CSUM) != 0,
                             .can_segment = (features & VIRTIO_NET_F_HOST_TSO4) != 0};
    result = virtio_ring_open(&tx->ring, size, (features & VIRTIO_F_EVENT_IDX) != 0, notifier,
                              &ring_kind);
    if (result != 0) {
        return result;
    }
    tx->frames = memory_allocate_zeroed(&ring_kind, size * sizeof(*tx->frames));
    tx->headers = memory_allocate_pages(
        &ring_kind, ALIGN_UP(size * sizeof(*tx->headers), PAGE_BYTES) / PAGE_BYTES);
    if (tx->frames == NULL || tx->headers == NULL) {
        return -ENOMEM;
    }
    memset(tx->headers, 0, size * sizeof(*tx->headers));
    tx->headers_bus_addr = platform_bus_addr(tx->headers);
    for (unsigned i = 0; i < size; i++) {
        tx->ring.descriptors[i].next = (uint16_t)((i + 1) % size);
    }
    return 0;
}

/* --- What the device shall do --- */

static uint8_t *headers_of(const struct frame_to_send *frame)
{
    return (uint8_t *)(uintptr_t)frame->fragments[0].data; /* the driver's to be written */
}

/* One that is cut is whole before that: unlike what frame.h says, the sum takes in the length, and
 * IP's header fits the whole (5.1.6.2). */
static void complete_uncut(const struct frame_to_send *frame)
{
    uint8_t *ip = headers_of(frame) + frame->ip_header_offset;
    uint8_t *field = ip + frame->ip_header_bytes + TCP_CHECKSUM_PLACE;
    uint32_t ip_bytes = (uint32_t)frame->length_bytes - frame->ip_header_offset;
    uint32_t sum = load_be16(field) + ip_bytes - frame->ip_header_bytes;

    store_be16(field, (uint16_t)((sum & UINT16_MAX) + (sum >> 16)));
    store_be16(ip + IPV4_LENGTH_PLACE, (uint16_t)ip_bytes);
}

/* No device does. Nearly all headers have no options, and need no loop. */
static void insert_ip_checksum(const struct frame_to_send *frame)
{
    uint8_t *ip = headers_of(frame) + frame->ip_header_offset;

    if (UNLIKELY(frame->ip_header_bytes != IPV4_PLAIN_BYTES ||
                 (frame->offload & FRAME_INSERT_IP_CHECKSUM) == 0)) {
        frame_insert_ip_checksum(frame);
        return;
    }
    store_be16(ip + IPV4_CHECKSUM_PLACE, 0);
    store_be16(ip + IPV4_CHECKSUM_PLACE, swap16((uint16_t)~frame_sum_plain_ip(ip)));
}

static void write_header(const struct virtio_tx *tx, struct virtio_net_header *header,
                         const struct frame_to_send *frame, uint32_t header_bytes)
{
    *header = (struct virtio_net_header){0};
    if (frame->offload == 0) {
        return;
    }
    if (header_bytes != 0) {
        complete_uncut(frame);
        header->gso_type = GSO_TCP4;
        header->header_bytes = (uint16_t)header_bytes;
        header->segment_bytes = frame->segment_bytes;
    }
    insert_ip_checksum(frame);
    if ((frame->offload & INSERT_L4) == 0) {
        return;
    }
    if (!tx->can_checksum) {
        frame_insert_checksums(frame, INSERT_L4);
        return;
    }
    header->flags = HEADER_NEEDS_CHECKSUM;
    header->checksum_start = (uint16_t)(frame->ip_header_offset + frame->ip_header_bytes);
    header->checksum_offset =
        (frame->offload & FRAME_INSERT_TCP_CHECKSUM) != 0 ? TCP_CHECKSUM_PLACE : UDP_CHECKSUM_PLACE;
}

/* --- The ring --- */

static unsigned room(const struct virtio_tx *tx)
{
    ASSERT_SLOW(virtio_tx_in_flight(tx) <= tx->ring.size);
    return tx->ring.size - virtio_tx_in_flight(tx);
}

static void put_descriptor(struct virtio_tx *tx, bus_addr_t bus_addr, uint32_t length_bytes,
                           unsigned flags)
{
    struct virtio_descriptor *descriptor = &tx->ring.descriptors[tx->tail++ & tx->ring.mask];

    descriptor->bus_addr = bus_addr;
    descriptor->length_bytes = length_bytes;
    descriptor->flags = (uint16_t)flags;
}

int virtio_transmit(struct virtio_tx *tx, const struct frame_to_send *frame)
{
    uint16_t first = (uint16_t)(tx->tail & tx->ring.mask);
    unsigned descriptor_count = 1u + frame->fragment_count;
    uint32_t header_bytes = nic_header_bytes(frame);

    ASSERT_SLOW(frame->fragment_count >= 1 && frame->fragment_count <= FRAME_FRAGMENT_MAX);
    ASSERT_SLOW(header_bytes == 0 || tx->can_segment);
    if (UNLIKELY(room(tx) < descriptor_count)) {
        /* The device may not know of some; and owners may send meanwhile. */
        virtio_tx_flush(tx);
        (void)virtio_tx_reclaim(tx);
        if (room(tx) < descriptor_count) {
            return -EAGAIN;
        }
        first = (uint16_t)(tx->tail & tx->ring.mask);
    }
    if (UNLIKELY(tx->ring.is_stopped)) {
        return -EAGAIN;
    }
    write_header(tx, &tx->headers[first], frame, header_bytes);
    put_descriptor(tx, tx->headers_bus_addr + first * sizeof(*tx->headers), sizeof(*tx->headers),
                   DESCRIPTOR_NEXT);
    for (unsigned i = 0; i < frame->fragment_count; i++) {
        const struct frame_fragment *fragment = &frame->fragments[i];
        bus_addr_t bus_addr = platform_bus_addr_at_once(fragment->data);

        ASSERT_SLOW(fragment->length_bytes >= 1);
        if (UNLIKELY(bus_addr == BUS_ADDR_NONE)) {
            bus_addr = platform_bus_addr(fragment->data);
        }
        put_descriptor(tx, bus_addr, fragment->length_bytes,
                       i + 1u == frame->fragment_count ? 0 : DESCRIPTOR_NEXT);
    }
    tx->frames[first] = (struct virtio_tx_frame){.done = frame->done,
                                                 .context = frame->context,
                                                 .descriptor_count = (uint16_t)descriptor_count};
    virtio_ring_put(&tx->ring, first);
    nic_count_sent(frame, header_bytes);
    return 0;
}

/* A sleeping node learns that frames have been sent when it wakes. With more than half of the ring
 * in flight the device shall interrupt when it has done half of those: their owners may lack memory
 * for more. Also while awake, which costs an interrupt now and then, for nobody says who sleeps. */
static void arm(struct virtio_tx *tx)
{
    uint16_t frames = (uint16_t)(tx->ring.shown - tx->ring.next_used);

    if (virtio_tx_in_flight(tx) > tx->ring.size / 2u) {
        /* One that has come already is found by the next look, which is before sleep. */
        (void)virtio_ring_arm(&tx->ring, frames / 2);
    } else {
        virtio_ring_disarm(&tx->ring);
    }
}

void virtio_tx_flush(struct virtio_tx *tx)
{
    if (tx->ring.shown != tx->ring.next_available) {
        virtio_ring_show(&tx->ring);
        arm(tx);
    }
}

bool virtio_tx_is_idle(const struct virtio_tx *tx)
{
    return virtio_ring_returned(&tx->ring) == 0;
}

/* What the device has returned. */
static void note_returned(struct virtio_tx *tx)
{
    for (uint16_t count = virtio_ring_take_returned(&tx->ring); count > 0; count--) {
        uint32_t id = virtio_ring_take(&tx->ring).id;

        if (id >= tx->ring.size || tx->frames[id].descriptor_count == 0 ||
            tx->frames[id].is_returned) {
            virtio_ring_stop(&tx->ring, "it has returned a frame that it does not have", id);
            return;
        }
        tx->frames[id].is_returned = true;
    }
}

unsigned virtio_tx_reclaim(struct virtio_tx *tx)
{
    unsigned told = 0;

    if (virtio_tx_is_idle(tx)) {
        return 0;
    }
    note_returned(tx);
    while (tx->head != tx->tail) {
        struct virtio_tx_frame *frame = &tx->frames[tx->head & tx->ring.mask];
        struct virtio_tx_frame copy = *frame;

        if (!copy.is_returned) {
            break;
        }
        /* Out of the ring first: the owner may send from inside. */
        *frame = (struct virtio_tx_frame){0};
        tx->head += copy.descriptor_count;
        if (copy.done != NULL) {
            copy.done(copy.context);
            told++;
        }
    }
    return told;
}
