/* SPDX-License-Identifier: MIT */
/*
 * Receive ring of one queue (VIRTIO 5.1.6.3, 5.1.6.4), filled with buffers of
 * drivers/nic/buffers.h. Each is one descriptor, and the device names it when it returns it.
 *
 * Slot i of the ring has the descriptor that stands, or stood last, in entry i of the available
 * area. Nearly all devices return buffers in the order in which they were given; then entry i is
 * descriptor i for good, and nothing is written there. One that is returned out of turn changes
 * places with the one whose turn it was: so the slots from next_used to next_available are always
 * those that the device has. It has read both entries, or it could not have returned the later one.
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

#define BUFFER_MAX 4096u

/*
 * The device's header lies before the frame, whose IP header, behind 14 bytes of Ethernet's, is
 * aligned. In front of it is room for headers of a piece: where the device may hand over long
 * segments in several buffers, it writes so much into each that no piece with its headers is longer
 * than the wire takes. A frame that was on a wire may then lie in two, and is put together.
 */
#define HEADER_OFFSET       102u
#define HEADER_BYTES        sizeof(struct virtio_net_header)
#define BUFFER_BYTES        (FRAME_BUFFER_BYTES - HEADER_OFFSET)
#define BUFFER_BYTES_MERGED (FRAME_MAX_BYTES - VIRTIO_SPLIT_HEADERS_MAX)
#define ETHERNET_BYTES      14u
#define IPV4_PLAIN_BYTES    20u
#define ETHERTYPE_PLACE     12u
#define HEADERS_BYTES_MIN   (HEADER_BYTES + ETHERNET_BYTES + IPV4_PLAIN_BYTES)

_Static_assert((HEADER_OFFSET + HEADER_BYTES + ETHERNET_BYTES) % 16 == 0, "IP is aligned");
_Static_assert(HEADER_OFFSET >= VIRTIO_SPLIT_HEADERS_MAX, "room for a piece's headers");
_Static_assert(FRAME_MAX_BYTES + HEADER_BYTES <= BUFFER_BYTES, "any frame fits a buffer");
_Static_assert(FRAME_MAX_BYTES + HEADER_BYTES <= 2 * BUFFER_BYTES_MERGED, "or two");

struct virtio_rx_slot {
    struct nic_buffer *buffer; /* that the device has, between next_used and next_available */
    uint32_t id;
};

MEMORY_KIND(ring_kind, "virtio_rx_ring");
MEMORY_KIND(buffers_kind, "virtio_rx_buffers");

/* Make `count` buffers from the free list available, which has so many; the ring has room. */
static inline void give_buffers(struct virtio_rx *rx, uint32_t count)
{
    struct nic_buffer *buffer = rx->pool.free;

    rx->pool.free_count -= count;
    while (count != 0) {
        uint32_t place = rx->ring.next_available & rx->ring.mask;
        uint32_t run = count < rx->ring.size - place ? count : rx->ring.size - place;
        struct virtio_rx_slot *slot = &rx->slots[place];

        rx->ring.next_available += run;
        count -= run;
        do {
            ASSERT_SLOW(buffer != NULL); /* the list is as long as free_count says */
            slot->buffer = buffer;
            rx->ring.descriptors[slot->id].bus_addr = buffer->bus_addr;
            slot++;
            buffer = buffer->next;
        } while (--run != 0);
    }
    rx->pool.free = buffer;
}

static void refill_ring(struct virtio_rx *rx)
{
    uint32_t given = virtio_ring_outstanding(&rx->ring);
    uint32_t count = nic_pool_offer(&rx->pool, rx->ring.size - given, given);

    if (count != 0) {
        give_buffers(rx, count);
        virtio_ring_show(&rx->ring);
    }
}

static void learn_flags(struct virtio_rx *rx, uint64_t features)
{
    for (unsigned i = 0; i < ARRAY_COUNT(rx->flags_good); i++) {
        rx->flags_good[i] = FRAME_IP_CHECKSUM_GOOD;
    }
    if ((features & VIRTIO_NET_F_GUEST_CSUM) != 0) {
        unsigned partial = FRAME_L4_CHECKSUM_GOOD | FRAME_L4_CHECKSUM_PARTIAL;

        rx->flags_good[HEADER_DATA_VALID] |= FRAME_L4_CHECKSUM_GOOD;
        rx->flags_good[HEADER_NEEDS_CHECKSUM] |= (uint16_t)partial;
        rx->flags_good[HEADER_NEEDS_CHECKSUM | HEADER_DATA_VALID] |= (uint16_t)partial;
    }
}

static void fill_ring(struct virtio_rx *rx)
{
    for (unsigned i = 0; i < rx->ring.size; i++) {
        rx->slots[i].id = i;
        rx->ring.descriptors[i].length_bytes = rx->buffer_bytes;
        rx->ring.descriptors[i].flags = DESCRIPTOR_WRITE;
        mmio_write16(rx->ring.available, AVAILABLE_ENTRY(i), (uint16_t)i);
    }
    /* Owners may keep some. */
    give_buffers(rx, rx->ring.size < rx->pool.free_count ? rx->ring.size : rx->pool.free_count);
    /* Shown, but with no notification: the device runs only later, and is notified then. */
    rx->ring.shown = rx->ring.next_available;
    virtio_compiler_barrier();
    mmio_write16(rx->ring.available, AVAILABLE_INDEX, (uint16_t)rx->ring.shown);
}

/* Those that the device had. */
static void take_buffers_back(struct virtio_rx *rx)
{
    for (; rx->ring.next_used != rx->ring.next_available; rx->ring.next_used++) {
        nic_pool_put(&rx->pool, rx->slots[rx->ring.next_used & rx->ring.mask].buffer);
    }
    if (rx->pieces_left > 0 && rx->pieces == PIECES_JOINED) {
        nic_pool_release(rx->first);
    }
    rx->pieces_left = 0;
}

static void restart(struct virtio_rx *rx, uint64_t features, struct virtio_notifier notifier)
{
    take_buffers_back(rx);
    rx->buffer_bytes =
        (features & VIRTIO_NET_F_GUEST_TSO4) != 0 ? BUFFER_BYTES_MERGED : BUFFER_BYTES;
    rx->can_merge = (features & VIRTIO_NET_F_MRG_RXBUF) != 0;
    learn_flags(rx, features);
    virtio_ring_restart(&rx->ring, (features & VIRTIO_F_EVENT_IDX) != 0, notifier);
    fill_ring(rx);
}

int virtio_rx_open(struct virtio_rx *rx, unsigned size, uint64_t features,
                   struct virtio_notifier notifier)
{
    struct nic_buffer_form form = {.kind = &buffers_kind,
                                   .allocate_pages = iommu_allocate_pages,
                                   .offset_bytes = HEADER_OFFSET,
                                   .header_bytes = HEADER_BYTES};
    int result = 0;

    ASSERT(rx->ring.size <= size);
    if (rx->ring.size == 0) {
        result = virtio_ring_open(&rx->ring, size, (features & VIRTIO_F_EVENT_IDX) != 0, notifier,
                                  &ring_kind);
    }
    if (result != 0) {
        return result;
    }
    if (rx->slots == NULL) {
        rx->slots = memory_allocate_zeroed(&ring_kind, rx->ring.size * sizeof(*rx->slots));
    }
    if (rx->slots == NULL) {
        return -ENOMEM;
    }
    /* Some spare ones to hand over among them. */
    result = nic_pool_open(&rx->pool, form, rx->ring.size + NIC_BUFFER_CHUNK, BUFFER_MAX);
    if (result == 0) {
        restart(rx, features, notifier);
    }
    return result;
}

struct nic_buffers virtio_rx_count_buffers(const struct virtio_rx *rx)
{
    return nic_pool_count(&rx->pool, virtio_ring_outstanding(&rx->ring));
}

/* --- Usual frames --- */

/* Ethernet's type of IPv4, and the first byte of a header without options, as they stand one behind
 * the other in memory. */
#define IPV4_PLAIN      0x450008u
#define IPV4_PLAIN_MASK 0xFFFFFFu

static inline bool is_plain_ipv4(const uint8_t *frame)
{
    return (load_le32(frame + ETHERTYPE_PLACE) & IPV4_PLAIN_MASK) == IPV4_PLAIN;
}

/* Of the device's header flags and type of cutting, at once, and the number of buffers. */
static inline unsigned read_kind(const uint8_t *header)
{
    return mmio_read16(header, offsetof(struct virtio_net_header, flags));
}

static inline unsigned read_piece_count(const uint8_t *header)
{
    return mmio_read16(header, offsetof(struct virtio_net_header, buffer_count));
}

#define KIND_FLAGS_USUAL (HEADER_NEEDS_CHECKSUM | HEADER_DATA_VALID)

/* Take usual frames, up to one that is not, or to the ring's end: returned in turn, IPv4 without
 * options whose header's sum is good, in one buffer. Returns how many. */
static inline unsigned take_usual(struct virtio_rx *rx, struct frame **frames, uint32_t most)
{
    uint32_t place = rx->ring.next_used & rx->ring.mask;
    const uint8_t *entry = (const uint8_t *)rx->ring.used + USED_ID(place);
    const struct virtio_rx_slot *slot = &rx->slots[place];
    uint32_t spread_bytes = rx->buffer_bytes - HEADERS_BYTES_MIN;
    struct frame **taken = frames;
    unsigned count;

    most = most < rx->ring.size - place ? most : rx->ring.size - place;
    for (struct frame **end = frames + most; taken != end; taken++) {
        struct virtio_used used = virtio_ring_read_used(entry);
        struct frame *frame = &slot->buffer->frame;
        const uint8_t *data = frame->data;
        size_t kind = read_kind(data - HEADER_BYTES);

        if (UNLIKELY(used.id != slot->id || used.length_bytes - HEADERS_BYTES_MIN > spread_bytes ||
                     kind > KIND_FLAGS_USUAL || read_piece_count(data - HEADER_BYTES) != 1 ||
                     !is_plain_ipv4(data) || !frame_is_plain_ip_good(data + ETHERNET_BYTES))) {
            break;
        }
        ASSERT_SLOW(frame->release_context == &rx->pool);
        frame->length_bytes = (uint16_t)(used.length_bytes - HEADER_BYTES);
        frame->flags = rx->flags_good[kind];
        *taken = frame;
        entry += USED_ENTRY_BYTES;
        slot++;
    }
    count = (unsigned)(taken - frames);
    rx->ring.next_used += count;
    return count;
}

/* --- Any frames --- */

/* Let the descriptor that has been returned out of turn have the slot whose turn it is. False: it
 * is none of those that the device has. */
static bool change_places(struct virtio_rx *rx, uint32_t id)
{
    uint32_t turn = rx->ring.next_used & rx->ring.mask;
    struct virtio_rx_slot *first = &rx->slots[turn];

    for (uint32_t i = rx->ring.next_used + 1; i != rx->ring.next_available; i++) {
        uint32_t place = i & rx->ring.mask;
        struct virtio_rx_slot *other = &rx->slots[place], held = *first;

        if (other->id == id) {
            *first = *other;
            *other = held;
            mmio_write16(rx->ring.available, AVAILABLE_ENTRY(turn), (uint16_t)first->id);
            mmio_write16(rx->ring.available, AVAILABLE_ENTRY(place), (uint16_t)other->id);
            return true;
        }
    }
    return false;
}

/* What the device has filled, taken off the ring; NULL: it lies, and the ring has been stopped. */
static struct nic_buffer *take_buffer(struct virtio_rx *rx, uint32_t *length_bytes)
{
    struct virtio_used used = virtio_ring_read_used(virtio_ring_used_entry(&rx->ring));
    struct virtio_rx_slot *slot = &rx->slots[rx->ring.next_used & rx->ring.mask];

    if (used.id != slot->id && !change_places(rx, used.id)) {
        virtio_ring_stop(&rx->ring, "it has returned a buffer that it does not have", used.id);
        return NULL;
    }
    if (used.length_bytes > rx->buffer_bytes) {
        virtio_ring_stop(&rx->ring, "it has written more than a buffer holds", used.length_bytes);
        return NULL;
    }
    rx->ring.next_used++;
    *length_bytes = used.length_bytes;
    return slot->buffer;
}

/* Of a plain IPv4 header the checksum is looked at here: the device never does. Of others whoever
 * takes the packet looks. */
static unsigned ip_flags(const struct frame *frame)
{
    if (frame->length_bytes < ETHERNET_BYTES + IPV4_PLAIN_BYTES || !is_plain_ipv4(frame->data)) {
        return 0;
    }
    return frame_is_plain_ip_good(frame->data + ETHERNET_BYTES) ? FRAME_IP_CHECKSUM_GOOD
                                                                : FRAME_CHECKSUM_BAD;
}

/* What the device says of the checksum of TCP or UDP. */
static unsigned l4_flags(const struct virtio_rx *rx, unsigned header_flags)
{
    return rx->flags_good[header_flags & KIND_FLAGS_USUAL] & ~(unsigned)FRAME_IP_CHECKSUM_GOOD;
}

static struct frame *describe(struct virtio_rx *rx, struct frame *frame, uint32_t frame_bytes,
                              unsigned header_flags)
{
    frame->length_bytes = (uint16_t)frame_bytes;
    frame->flags = (uint16_t)(ip_flags(frame) | l4_flags(rx, header_flags));
    return frame;
}

/* Nobody reads a byte of it: whoever takes it counts it. */
static struct frame *give_up(struct frame *frame)
{
    frame->length_bytes = 0;
    frame->flags = FRAME_DAMAGED;
    return frame;
}

/* The first buffer of several. Returns what is to be handed over now, or NULL. */
static struct frame *begin_pieces(struct virtio_rx *rx, struct frame *frame, uint32_t frame_bytes,
                                  unsigned kind, unsigned piece_count)
{
    unsigned flags = kind & KIND_FLAGS_USUAL;

    rx->pieces_left = piece_count - 1;
    rx->pieces = PIECES_DROPPED;
    if (kind >> 8 == GSO_TCP4 && l4_flags(rx, flags) != 0) {
        frame->length_bytes = (uint16_t)frame_bytes;
        if (virtio_split_begin(&rx->split, frame, rx->buffer_bytes)) {
            rx->pieces = PIECES_SPLIT;
            counter_increment(COUNTER_NIC_RX_SPLIT);
            return frame;
        }
    } else if (kind >> 8 == GSO_NONE && piece_count == 2) {
        rx->pieces = PIECES_JOINED;
        rx->first = describe(rx, frame, frame_bytes, flags);
        return NULL;
    }
    return give_up(frame);
}

/* As the buffer was before a piece's headers were written in front of its bytes. */
static void release_piece(struct frame *frame)
{
    uintptr_t start = (uintptr_t)frame->data / FRAME_BUFFER_BYTES * FRAME_BUFFER_BYTES;

    frame->data = (uint8_t *)start + HEADER_OFFSET + HEADER_BYTES;
    frame->release = nic_pool_release;
    nic_pool_release(frame);
}

/* A further buffer of several, of which the device has written so many bytes. As above. */
static struct frame *go_on(struct virtio_rx *rx, struct frame *frame, uint32_t count)
{
    uint8_t *bytes = frame->data - HEADER_BYTES;
    struct frame *first = rx->first;

    rx->pieces_left--;
    switch (rx->pieces) {
    case PIECES_SPLIT:
        if (virtio_split_next(&rx->split, frame, bytes, count)) {
            frame->release = release_piece;
            return frame;
        }
        counter_increment(COUNTER_DROP_MALFORMED);
        break;
    case PIECES_JOINED:
        if (first->length_bytes + count > FRAME_MAX_BYTES) {
            first = give_up(first);
        } else {
            memcpy(first->data + first->length_bytes, bytes, count);
            first->length_bytes = (uint16_t)(first->length_bytes + count);
        }
        nic_pool_release(frame);
        return first;
    case PIECES_DROPPED:
        break; /* counted by the first */
    }
    nic_pool_release(frame);
    return NULL;
}

/* A buffer with which a frame begins. As above; also NULL when the device lies. */
static struct frame *begin(struct virtio_rx *rx, struct frame *frame, uint32_t length_bytes)
{
    uint8_t *header = frame->data - HEADER_BYTES;
    unsigned kind = read_kind(header);
    unsigned piece_count = read_piece_count(header);

    if (!rx->can_merge && piece_count != 1) {
        /* The device need not write it (5.1.6.4): the next time it is 1. */
        piece_count = 1;
        mmio_write16(header, offsetof(struct virtio_net_header, buffer_count), 1);
    }

    if (length_bytes < HEADER_BYTES) {
        virtio_ring_stop(&rx->ring, "it has written less than a header", length_bytes);
    } else if (piece_count == 0 || piece_count > rx->ring.size) {
        virtio_ring_stop(&rx->ring, "a frame is in an impossible number of buffers", piece_count);
    } else if (piece_count > 1) {
        return begin_pieces(rx, frame, length_bytes - HEADER_BYTES, kind, piece_count);
    } else {
        return describe(rx, frame, length_bytes - HEADER_BYTES, kind);
    }
    nic_pool_release(frame);
    return NULL;
}

/* Take further buffers of a long segment, up to one that is not full, or its last. Returns how
 * many.
 */
static inline unsigned take_whole_pieces(struct virtio_rx *rx, struct frame **frames, uint32_t most)
{
    unsigned count = 0;

    for (most = most < rx->pieces_left ? most : rx->pieces_left; count < most; count++) {
        struct virtio_used used = virtio_ring_read_used(virtio_ring_used_entry(&rx->ring));
        struct virtio_rx_slot *slot = &rx->slots[rx->ring.next_used & rx->ring.mask];
        struct frame *frame = &slot->buffer->frame;

        if (used.id != slot->id || !virtio_split_is_whole(&rx->split, used.length_bytes)) {
            break;
        }
        rx->ring.next_used++;
        virtio_split_whole(&rx->split, frame, frame->data - HEADER_BYTES);
        frame->release = release_piece;
        frames[count] = frame;
    }
    rx->pieces_left -= count;
    return count;
}

/* Take frames of any kind from this many buffers. Apart from its caller, which mostly has taken
 * all. */
static __attribute__((noinline)) unsigned take_others(struct virtio_rx *rx, uint32_t returned,
                                                      struct frame **frames, unsigned frame_max)
{
    unsigned count = 0;

    while (returned > 0 && count < frame_max) {
        uint32_t most = returned < frame_max - count ? returned : frame_max - count;
        unsigned usual_count = 0;
        struct nic_buffer *buffer;
        struct frame *frame;
        uint32_t length_bytes;

        if (rx->pieces_left == 0) {
            usual_count = take_usual(rx, frames + count, most);
        } else if (rx->pieces == PIECES_SPLIT) {
            usual_count = take_whole_pieces(rx, frames + count, most);
        }
        count += usual_count;
        returned -= usual_count;
        if (usual_count > 0) {
            continue;
        }
        buffer = take_buffer(rx, &length_bytes);
        if (buffer == NULL) {
            break;
        }
        returned--;
        frame = rx->pieces_left > 0 ? go_on(rx, &buffer->frame, length_bytes)
                                    : begin(rx, &buffer->frame, length_bytes);
        if (frame != NULL) {
            frames[count++] = frame;
        } else if (rx->ring.is_stopped) {
            break;
        }
    }
    return count;
}

static inline bool is_refill_due(const struct virtio_rx *rx)
{
    return rx->ring.size - virtio_ring_outstanding(&rx->ring) >= NIC_REFILL_BATCH &&
           !rx->ring.is_stopped;
}

bool virtio_rx_is_idle(const struct virtio_rx *rx)
{
    /* Released buffers may be all there is for the device. */
    return virtio_ring_returned(&rx->ring) == 0 && !is_refill_due(rx);
}

unsigned virtio_receive(struct virtio_rx *rx, struct frame **frames, unsigned frame_max)
{
    uint32_t returned = virtio_ring_take_returned(&rx->ring);
    unsigned count = 0;

    if (LIKELY(rx->pieces_left == 0)) {
        count = take_usual(rx, frames, returned < frame_max ? returned : frame_max);
    }
    if (UNLIKELY(count < returned && count < frame_max)) {
        count += take_others(rx, returned - count, frames + count, frame_max - count);
    }
    if (is_refill_due(rx)) {
        refill_ring(rx);
    }
    return count;
}
