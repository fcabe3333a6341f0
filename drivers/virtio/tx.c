/* SPDX-License-Identifier: MIT */
/*
 * Transmit ring of one queue (VIRTIO 5.1.6.2). A frame is gathered from its fragments where they
 * lie, behind a header that says what the device shall do with it. Descriptors are taken in their
 * order, so a frame is a run of them. Runs begin at even ones: frames in one piece are a header and
 * a fragment, and a header that was there before is still there, mostly the right one. The device
 * may return frames in any order; their owners are told in the order of sending.
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
#define ETHERNET_BYTES      14u
#define TCP_CHECKSUM_PLACE  16u
#define UDP_CHECKSUM_PLACE  6u

#define INSERT_L4 (FRAME_INSERT_TCP_CHECKSUM | FRAME_INSERT_UDP_CHECKSUM)

/* The form of nearly all frames: TCP behind plain headers, for both checksums. */
#define FORM_USUAL                                                                                 \
    ((uint32_t)(FRAME_INSERT_IP_CHECKSUM | FRAME_INSERT_TCP_CHECKSUM) | ETHERNET_BYTES << 16 |     \
     IPV4_PLAIN_BYTES << 24)

_Static_assert(offsetof(struct frame_to_send, offload) == offsetof(struct frame_to_send, form) &&
                   offsetof(struct frame_to_send, ip_header_offset) ==
                       offsetof(struct frame_to_send, form) + 2 &&
                   offsetof(struct frame_to_send, ip_header_bytes) ==
                       offsetof(struct frame_to_send, form) + 3,
               "what a form has where");

/* A run's descriptors: an even number. */
#define DESCRIPTORS_OF(fragment_count) (((fragment_count) + 2u) & ~1u)
#define FRAME_DESCRIPTORS_MAX          DESCRIPTORS_OF(FRAME_FRAGMENT_MAX)

/* Of no frame: there is no header here. And beside a form that no frame has: a header for a device
 * that does not sum. */
#define HEADER_NONE    UINT64_MAX
#define HEADER_NO_SUMS BIT(63)

/* Beside descriptors: of a frame whose run begins there. */
struct virtio_tx_frame {
    void (*done)(void *context); /* may be NULL */
    void *context;
    uint64_t header_form; /* of the header that stands there: header_form() */
    uint32_t descriptor_count;
    bool is_returned; /* before its turn */
};

MEMORY_KIND(ring_kind, "virtio_tx_ring");

static inline unsigned tell_oldest(struct virtio_tx *tx);

void virtio_tx_pause(struct virtio_tx *tx)
{
    tx->ring.is_stopped = true;
    tx->usual_max = 0;
}

void virtio_tx_run(struct virtio_tx *tx)
{
    tx->ring.is_stopped = false;
    tx->usual_max = tx->ring.size - DESCRIPTORS_OF(1) + 1;
}

static void restart(struct virtio_tx *tx, uint64_t features, struct virtio_notifier notifier)
{
    unsigned size = tx->ring.size;

    virtio_tx_pause(tx); /* owners may send from inside */
    while (tx->head != tx->tail) {
        (void)tell_oldest(tx);
    }
    tx->head = tx->tail = tx->returned_end = tx->early_count = 0;
    tx->can_checksum = (features & VIRTIO_NET_F_CSUM) != 0;
    tx->can_segment = (features & VIRTIO_NET_F_HOST_TSO4) != 0;
    tx->header_form = HEADER_NONE;
    tx->header_mark = tx->can_checksum ? 0 : HEADER_NO_SUMS;
    virtio_ring_restart(&tx->ring, (features & VIRTIO_F_EVENT_IDX) != 0, notifier);
    tx->ring.is_stopped = true;
    for (unsigned i = 0; i < size; i++) {
        tx->frames[i].header_form = HEADER_NONE;
        tx->frames[i].is_returned = false;
    }
}

int virtio_tx_open(struct virtio_tx *tx, unsigned size, uint64_t features,
                   struct virtio_notifier notifier)
{
    int result = 0;

    ASSERT(size >= FRAME_DESCRIPTORS_MAX && tx->ring.size <= size);
    if (tx->ring.size == 0) {
        result = virtio_ring_open(&tx->ring, size, (features & VIRTIO_F_EVENT_IDX) != 0, notifier,
                                  &ring_kind);
    }
    if (result != 0) {
        return result;
    }
    if (tx->frames == NULL) {
        tx->frames = memory_allocate_zeroed(&ring_kind, tx->ring.size * sizeof(*tx->frames));
    }
    if (tx->headers == NULL) {
        tx->headers = memory_allocate_pages(
            &ring_kind, ALIGN_UP(tx->ring.size * sizeof(*tx->headers), PAGE_BYTES) / PAGE_BYTES);
    }
    if (tx->frames == NULL || tx->headers == NULL) {
        return -ENOMEM;
    }
    tx->headers_bus_addr = platform_bus_addr(tx->headers);
    restart(tx, features, notifier);
    return 0;
}

/* --- What the device shall do --- */

static uint8_t *headers_of(const struct frame_to_send *frame)
{
    return (uint8_t *)(uintptr_t)frame->fragments[0].data; /* the driver's to be written */
}

/* One that is cut is whole before that: unlike what frame.h says, the sum takes in the length, and
 * IP's header fits the whole (5.1.6.2). */
static inline void complete_uncut(uint8_t *ip, uint32_t ip_header_bytes, uint32_t ip_bytes)
{
    uint8_t *field = ip + ip_header_bytes + TCP_CHECKSUM_PLACE;
    uint32_t sum = load_be16(field) + ip_bytes - ip_header_bytes;

    store_be16(field, (uint16_t)(sum + (sum >> 16)));
    store_be16(ip + IPV4_LENGTH_PLACE, (uint16_t)ip_bytes);
}

/* The field is 0 (frame.h); where it is not, as another node's frames may have it, the sum is
 * wrong, and nothing else. */
static inline void insert_plain_ip_checksum(uint8_t *ip)
{
    store_le16(ip + IPV4_CHECKSUM_PLACE, (uint16_t)~frame_sum_plain_ip(ip));
}

/* Of a frame with other headers, or for a device that does not sum. */
static __attribute__((noinline)) void prepare_any(const struct virtio_tx *tx,
                                                  const struct frame_to_send *frame)
{
    if ((frame->offload & FRAME_SEGMENT_TCP) != 0) {
        complete_uncut(headers_of(frame) + frame->ip_header_offset, frame->ip_header_bytes,
                       (uint32_t)frame->length_bytes - frame->ip_header_offset);
    }
    frame_insert_ip_checksum(frame);
    if (!tx->can_checksum) {
        frame_insert_checksums(frame, INSERT_L4);
    }
}

/* Write into its headers what no device does, and what this one does not. */
static inline void prepare(const struct virtio_tx *tx, const struct frame_to_send *frame)
{
    uint8_t *ip = headers_of(frame) + ETHERNET_BYTES;

    if (UNLIKELY((frame->form & ~(uint32_t)FRAME_SEGMENT_TCP) != FORM_USUAL || !tx->can_checksum)) {
        if (frame->offload != 0) {
            prepare_any(tx, frame);
        }
        return;
    }
    if ((frame->form & FRAME_SEGMENT_TCP) != 0) {
        complete_uncut(ip, IPV4_PLAIN_BYTES, (uint32_t)frame->length_bytes - ETHERNET_BYTES);
    }
    insert_plain_ip_checksum(ip);
}

/* What a frame's header depends on. Without a device that sums none is that of a usual frame. */
static inline uint64_t header_form(const struct virtio_tx *tx, const struct frame_to_send *frame)
{
    uint64_t cut = (frame->offload & FRAME_SEGMENT_TCP) == 0 ? 0 : (uint64_t)frame->cut << 32;

    return frame->form | cut | tx->header_mark;
}

static __attribute__((noinline)) void make_header(struct virtio_tx *tx, uint64_t form,
                                                  const struct frame_to_send *frame,
                                                  uint32_t header_bytes)
{
    struct virtio_net_header *header = &tx->header;

    tx->header_form = form;
    *header = (struct virtio_net_header){0};
    if (header_bytes != 0) {
        header->gso_type = GSO_TCP4;
        header->header_bytes = (uint16_t)header_bytes;
        header->segment_bytes = frame->segment_bytes;
    }
    if ((frame->offload & INSERT_L4) != 0 && tx->can_checksum) {
        header->flags = HEADER_NEEDS_CHECKSUM;
        header->checksum_start = (uint16_t)(frame->ip_header_offset + frame->ip_header_bytes);
        header->checksum_offset = (frame->offload & FRAME_INSERT_TCP_CHECKSUM) != 0
                                      ? TCP_CHECKSUM_PLACE
                                      : UDP_CHECKSUM_PLACE;
    }
}

static inline void write_header(struct virtio_tx *tx, uint32_t place,
                                const struct frame_to_send *frame, uint32_t header_bytes)
{
    struct virtio_descriptor *descriptor = &tx->ring.descriptors[place];
    uint64_t form = header_form(tx, frame);

    if (tx->frames[place].header_form == form) {
        return;
    }
    if (tx->header_form != form) {
        make_header(tx, form, frame, header_bytes);
    }
    tx->frames[place].header_form = form;
    tx->headers[place] = tx->header;
    descriptor->bus_addr = tx->headers_bus_addr + place * sizeof(tx->header);
    descriptor->rest = DESCRIPTOR_REST_NEXT(place + 1) | sizeof(tx->header);
}

/* --- The ring --- */

static inline unsigned room(const struct virtio_tx *tx)
{
    ASSERT_SLOW(virtio_tx_in_flight(tx) <= tx->ring.size);
    return tx->ring.size - virtio_tx_in_flight(tx);
}

/* The device may not know of some; and owners may send meanwhile. */
static __attribute__((noinline)) bool make_room(struct virtio_tx *tx, unsigned descriptor_count)
{
    virtio_tx_flush(tx);
    (void)virtio_tx_reclaim(tx);
    return room(tx) >= descriptor_count;
}

/* The run at the tail is a frame's. */
static inline void put_frame(struct virtio_tx *tx, struct virtio_tx_frame *known, uint32_t place,
                             uint32_t descriptor_count, const struct frame_to_send *frame)
{
    known->done = frame->done;
    known->context = frame->context;
    known->descriptor_count = descriptor_count;
    tx->tail += descriptor_count;
    virtio_ring_put(&tx->ring, (uint16_t)place);
}

static inline bus_addr_t bus_addr_of(const struct frame_fragment *fragment)
{
    bus_addr_t bus_addr = platform_bus_addr_at_once(fragment->data);

    ASSERT_SLOW(fragment->length_bytes >= 1);
    return LIKELY(bus_addr != BUS_ADDR_NONE) ? bus_addr : platform_bus_addr(fragment->data);
}

/* One fragment or two behind the header's descriptor, at `place`: in odd ones, so that headers stay
 * in even ones. */
static inline void write_few(struct virtio_tx *tx, uint32_t place,
                             const struct frame_to_send *frame)
{
    struct virtio_descriptor *descriptor = &tx->ring.descriptors[place + 1];
    uint32_t next = (place + 3) & tx->ring.mask;

    descriptor->bus_addr = bus_addr_of(&frame->fragments[0]);
    descriptor->rest = frame->fragments[0].length_bytes;
    if (frame->fragment_count == 2) {
        descriptor->rest |= DESCRIPTOR_REST_NEXT(next);
        descriptor = &tx->ring.descriptors[next];
        descriptor->bus_addr = bus_addr_of(&frame->fragments[1]);
        descriptor->rest = frame->fragments[1].length_bytes;
    }
}

/* More of them, one after the other. Headers that stood there are gone. */
static __attribute__((noinline)) void write_many(struct virtio_tx *tx, uint32_t place,
                                                 const struct frame_to_send *frame)
{
    const struct frame_fragment *fragment = frame->fragments;
    const struct frame_fragment *end = fragment + frame->fragment_count;
    uint32_t mask = tx->ring.mask;
    struct virtio_descriptor *descriptor;

    do {
        place = (place + 1) & mask;
        tx->frames[place].header_form = HEADER_NONE;
        descriptor = &tx->ring.descriptors[place];
        descriptor->bus_addr = bus_addr_of(fragment);
        descriptor->rest = DESCRIPTOR_REST_NEXT((place + 1) & mask) | fragment->length_bytes;
    } while (++fragment != end);
    descriptor->flags = 0;
}

/* Any frame. Apart from its caller, whose usual frame needs little. */
static __attribute__((noinline)) int transmit_any(struct virtio_tx *tx,
                                                  const struct frame_to_send *frame)
{
    unsigned descriptor_count = DESCRIPTORS_OF(frame->fragment_count);
    uint32_t header_bytes = nic_header_bytes(frame), place;

    ASSERT_SLOW(frame->fragment_count >= 1 && frame->fragment_count <= FRAME_FRAGMENT_MAX);
    ASSERT_SLOW(header_bytes == 0 || tx->can_segment);
    if ((UNLIKELY(room(tx) < descriptor_count) && !make_room(tx, descriptor_count)) ||
        UNLIKELY(tx->ring.is_stopped)) {
        return -EAGAIN;
    }
    place = tx->tail & tx->ring.mask;
    write_header(tx, place, frame, header_bytes);
    prepare(tx, frame);
    if (LIKELY(frame->fragment_count <= 2)) {
        write_few(tx, place, frame);
    } else {
        write_many(tx, place, frame);
    }
    put_frame(tx, &tx->frames[place], place, descriptor_count, frame);
    nic_count_sent(frame, header_bytes);
    return 0;
}

__attribute__((noinline)) int virtio_transmit(struct virtio_tx *tx,
                                              const struct frame_to_send *frame)
{
    uint32_t place = tx->tail & tx->ring.mask;
    struct virtio_tx_frame *known = &tx->frames[place];
    struct virtio_descriptor *descriptor;
    bus_addr_t bus_addr;

    /* In one piece, of the usual form, with its header in place, and room. */
    if (UNLIKELY(frame->fragment_count != 1 || frame->form != FORM_USUAL ||
                 known->header_form != FORM_USUAL || virtio_tx_in_flight(tx) >= tx->usual_max)) {
        return transmit_any(tx, frame);
    }
    bus_addr = platform_bus_addr_at_once(frame->fragments[0].data);
    if (UNLIKELY(bus_addr == BUS_ADDR_NONE)) {
        return transmit_any(tx, frame);
    }
    descriptor = &tx->ring.descriptors[place];
    descriptor[1].bus_addr = bus_addr;
    descriptor[1].rest = frame->length_bytes; /* and nothing follows */
    ASSERT_SLOW(frame->fragments[0].length_bytes == frame->length_bytes);
    nic_count_sent(frame, 0);
    put_frame(tx, known, place, DESCRIPTORS_OF(1), frame);
    insert_plain_ip_checksum(headers_of(frame) + ETHERNET_BYTES);
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

/* Of a frame that was not the next: it is found among those that the device has. False: it is not
 * there, or has been returned before. */
static bool note_early(struct virtio_tx *tx, uint32_t id)
{
    for (uint32_t at = tx->head; at != tx->tail;) {
        uint32_t place = at & tx->ring.mask;
        struct virtio_tx_frame *frame = &tx->frames[place];

        if (place == id) {
            tx->early_count += !frame->is_returned;
            return !frame->is_returned && (frame->is_returned = true);
        }
        at += frame->descriptor_count;
    }
    return false;
}

/* The oldest frame is the device's no more: its owner is told. Returns how many were. */
static inline unsigned tell_oldest(struct virtio_tx *tx)
{
    struct virtio_tx_frame *frame = &tx->frames[tx->head & tx->ring.mask];

    /* Out of the ring first: the owner may send from inside, and reclaim. */
    ASSERT_SLOW(tx->head != tx->tail);
    tx->head += frame->descriptor_count;
    if (LIKELY(frame->done != NULL)) {
        frame->done(frame->context);
        return 1;
    }
    return 0;
}

static __attribute__((noinline)) unsigned tell_early(struct virtio_tx *tx)
{
    unsigned told = 0;

    while (tx->early_count > 0 && tx->frames[tx->head & tx->ring.mask].is_returned) {
        tx->frames[tx->head & tx->ring.mask].is_returned = false;
        tx->early_count--;
        told += tell_oldest(tx);
    }
    return told;
}

static __attribute__((noinline)) void take_early(struct virtio_tx *tx, uint32_t id)
{
    if (!note_early(tx, id)) {
        virtio_ring_stop(&tx->ring, "it has returned a frame that it does not have", id);
        tx->returned_end = tx->ring.next_used;
        tx->usual_max = 0;
    }
}

/* Apart from its caller, which mostly finds nothing. */
static __attribute__((noinline)) unsigned tell_owners(struct virtio_tx *tx)
{
    unsigned told = 0;

    tx->returned_end = tx->ring.next_used + virtio_ring_take_returned(&tx->ring);
    if (UNLIKELY(tx->ring.is_stopped)) {
        tx->usual_max = 0;
    }
    while (tx->ring.next_used != tx->returned_end) {
        uint32_t id = mmio_read32(virtio_ring_used_entry(&tx->ring), 0);

        tx->ring.next_used++;
        if (LIKELY(id == (tx->head & tx->ring.mask))) {
            told += tell_oldest(tx);
            if (UNLIKELY(tx->early_count > 0)) {
                told += tell_early(tx);
            }
        } else {
            take_early(tx, id);
        }
    }
    return told;
}

unsigned virtio_tx_reclaim(struct virtio_tx *tx)
{
    return virtio_tx_is_idle(tx) ? 0 : tell_owners(tx);
}
