/* SPDX-License-Identifier: MIT */
/*
 * Receive ring of one queue (datasheet 7.1.6 to 7.1.9), filled with buffers of
 * drivers/nic/buffers.h.
 *
 * Indices run freely: the device owns the descriptors next .. filled - 1, at most one less than
 * the ring has, because head == tail means to it that it owns none.
 */
#include "drivers/ixgbe/ixgbe.h"

#include <errno.h>
#include <string.h>

#include "drivers/iommu/iommu.h"
#include "drivers/ixgbe/descriptor.h"
#include "drivers/ixgbe/regs.h"
#include "kernel/limits.h"
#include "kernel/platform.h"
#include "libc/core/memory.h"

#define RING_MASK        (IXGBE_RX_RING_COUNT - 1)
#define RING_FULL        (IXGBE_RX_RING_COUNT - 1)
#define QUEUE_TIMEOUT_US 20000

/* SYNs that the device may hold at a time. Chosen: several rounds of them, and a flood fills no
 * more. */
#define SYN_RING_FULL 127u

/* Chosen: what may come to a dead node's queue in a round, several times, and allocated in less
 * than a whole one. */
#define ADOPTED_RING_FULL 255u

const struct ixgbe_rx_size ixgbe_rx_size_usual = {
    .given_max = RING_FULL,
    .buffer_start = 768,
    .buffer_max = 4096,
};
const struct ixgbe_rx_size ixgbe_rx_size_syns = {
    .given_max = SYN_RING_FULL,
    .buffer_start = 256,
    .buffer_max = 256,
};

const struct ixgbe_rx_size ixgbe_rx_size_adopted = {
    .given_max = ADOPTED_RING_FULL,
    .buffer_start = 320,
    .buffer_max = 1024,
};

_Static_assert(FRAME_BUFFER_BYTES % KIB == 0, "SRRCTL counts KiB");

MEMORY_KIND(ring_kind, "ixgbe_rx_ring");
MEMORY_KIND(buffers_kind, "ixgbe_rx_buffers");

/* Fill `count` descriptors with buffers from the free list, which has so many. */
static inline void give_buffers(struct ixgbe_rx *rx, uint32_t count)
{
    struct nic_buffer *buffer = rx->pool.free;

    rx->pool.free_count -= count;
    while (count != 0) {
        uint32_t place = rx->filled & RING_MASK;
        uint32_t run = count < IXGBE_RX_RING_COUNT - place ? count : IXGBE_RX_RING_COUNT - place;
        struct ixgbe_rx_descriptor *descriptor = &rx->ring[place];
        struct nic_buffer **slot = &rx->slots[place];

        rx->filled += run;
        count -= run;
        do {
            ASSERT_SLOW(buffer != NULL); /* the list is as long as free_count says */
            *slot++ = buffer;
            *descriptor++ = (struct ixgbe_rx_descriptor){.buffer_bus_addr = buffer->bus_addr};
            buffer = buffer->next;
        } while (--run != 0);
    }
    rx->pool.free = buffer;
}

static void refill_ring(struct ixgbe_rx *rx)
{
    uint32_t given = rx->filled - rx->next;
    uint32_t count = nic_pool_offer(&rx->pool, rx->size.given_max - given, given);

    ASSERT_SLOW(given <= rx->size.given_max);
    if (count == 0) {
        return;
    }
    give_buffers(rx, count);
    /* The descriptors are in memory before the device is told of them. x86 keeps stores in order,
     * a register's behind those to memory: only the compiler must be held. Pairs with the device's
     * reading of a descriptor after the tail. */
    __asm__ volatile("" ::: "memory");
    ixgbe_write(rx->registers, rx->tail_register, rx->filled & RING_MASK);
}

#define RING_BYTES (IXGBE_RX_RING_COUNT * sizeof(struct ixgbe_rx_descriptor))

/* What there is not yet. */
static int allocate(struct ixgbe_rx *rx)
{
    if (rx->ring == NULL) {
        rx->ring = iommu_allocate_pages(&ring_kind, RING_BYTES / PAGE_BYTES);
    }
    if (rx->slots == NULL) {
        rx->slots = memory_allocate_zeroed(&ring_kind, IXGBE_RX_RING_COUNT * sizeof(*rx->slots));
    }
    if (rx->ring == NULL || rx->slots == NULL) {
        return -ENOMEM;
    }
    return nic_pool_open(
        &rx->pool,
        (struct nic_buffer_form){.kind = &buffers_kind, .allocate_pages = iommu_allocate_pages},
        rx->size.buffer_start, rx->size.buffer_max);
}

/* Of a queue that has been stopped: what is in its ring is lost. */
static void empty_ring(struct ixgbe_rx *rx)
{
    for (; rx->next != rx->filled; rx->next++) {
        nic_pool_release(&rx->slots[rx->next & RING_MASK]->frame);
    }
    rx->next = rx->filled = 0;
    rx->is_discarding = false;
    memset(rx->ring, 0, RING_BYTES);
}

int ixgbe_rx_start(struct ixgbe_rx *rx, void *registers, unsigned queue, struct ixgbe_rx_size size)
{
    bus_addr_t ring_bus_addr;
    int result;

    ASSERT(queue < IXGBE_QUEUE_MAX);
    /* Some spare ones to hand over among them. */
    ASSERT(size.given_max <= RING_FULL && size.buffer_start > size.given_max);
    rx->registers = registers;
    rx->tail_register = IXGBE_RDT(queue);
    rx->size = size;
    result = allocate(rx);
    if (result != 0) {
        return result;
    }
    empty_ring(rx);

    /* 4.6.7.1 */
    ring_bus_addr = platform_bus_addr(rx->ring);
    ASSERT(ring_bus_addr % IXGBE_RING_ALIGNMENT == 0);
    ixgbe_write(registers, IXGBE_RDBAL(queue), (uint32_t)ring_bus_addr);
    ixgbe_write(registers, IXGBE_RDBAH(queue), (uint32_t)(ring_bus_addr >> 32));
    ixgbe_write(registers, IXGBE_RDLEN(queue), (uint32_t)RING_BYTES);
    ixgbe_write(registers, IXGBE_RDH(queue), 0);
    ixgbe_write(registers, IXGBE_RDT(queue), 0);
    ixgbe_write(registers, IXGBE_SRRCTL(queue),
                FIELD_PREP(SRRCTL_BSIZEPACKET, FRAME_BUFFER_BYTES / KIB) |
                    FIELD_PREP(SRRCTL_DESCTYPE, DESCTYPE_ADVANCED_ONE_BUFFER) | SRRCTL_DROP_EN);
    ixgbe_clear(registers, IXGBE_DCA_RXCTRL(queue), DCA_RXCTRL_MUST_CLEAR);
    ixgbe_set(registers, IXGBE_RXDCTL(queue), RXDCTL_ENABLE);
    result =
        ixgbe_wait(registers, IXGBE_RXDCTL(queue), RXDCTL_ENABLE, RXDCTL_ENABLE, QUEUE_TIMEOUT_US);
    if (result != 0) {
        return result;
    }
    refill_ring(rx); /* the tail moves only now (4.6.7.1) */
    return 0;
}

bool ixgbe_rx_is_pending(const struct ixgbe_rx *rx)
{
    return rx->next != rx->filled && (mmio_read64(&rx->ring[rx->next & RING_MASK],
                                                  offsetof(struct ixgbe_rx_descriptor, status)) &
                                      RX_DD) != 0;
}

/* What the device says of the checksums. */
static unsigned checksum_flags(uint64_t status, uint64_t packet_info)
{
    unsigned flags = 0;

    if ((status & RX_IPCS) != 0 && (status & RX_IPE) == 0) {
        flags |= FRAME_IP_CHECKSUM_GOOD;
    }
    if ((status & RX_L4I) != 0 && (status & RX_L4E) == 0) {
        flags |= FRAME_L4_CHECKSUM_GOOD;
    }
    /* The 82599 finds fault with UDP that carries no checksum (specification update): software
     * looks again, because the frame is not flagged as good. */
    if ((status & RX_IPE) != 0 ||
        ((status & RX_L4E) != 0 && (packet_info & RX_PACKET_TYPE_UDP) == 0)) {
        flags |= FRAME_CHECKSUM_BAD;
    }
    return flags;
}

/* The frame is whole, and both of its checksums are good. */
#define RX_USUAL (RX_DD | RX_EOP | RX_IPCS | RX_L4I)
#define RX_SAID  (RX_USUAL | RX_RXE | RX_IPE | RX_L4E | RX_LENGTH_IMPOSSIBLE)

/* Take usual frames, up to one that is not, or to the ring's end. Returns how many. */
static inline unsigned take_usual(struct ixgbe_rx *rx, struct frame **frames, unsigned frame_max)
{
    uint32_t place = rx->next & RING_MASK;
    uint32_t most = rx->filled - rx->next;
    const struct ixgbe_rx_descriptor *descriptor = &rx->ring[place];
    struct nic_buffer *const *slot = &rx->slots[place];
    struct frame **taken = frames;
    unsigned count;

    most = most < frame_max ? most : frame_max;
    most = most < IXGBE_RX_RING_COUNT - place ? most : IXGBE_RX_RING_COUNT - place;
    for (struct frame **end = frames + most; taken != end; taken++) {
        uint64_t status = mmio_read64(descriptor, offsetof(struct ixgbe_rx_descriptor, status));
        struct frame *frame;

        if (UNLIKELY((status & RX_SAID) != RX_USUAL)) {
            break;
        }
        /* The rest of the descriptor and the data were written before DD. x86 keeps loads in
         * order: only the compiler must be held. Pairs with the device's write of DD last. */
        __asm__ volatile("" ::: "memory");
        frame = &(*slot)->frame;
        ASSERT_SLOW(frame->release_context == &rx->pool);
        frame->length_bytes = (uint16_t)FIELD_GET(RX_LENGTH, status);
        frame->flags = FRAME_IP_CHECKSUM_GOOD | FRAME_L4_CHECKSUM_GOOD;
        *taken = frame;
        descriptor++;
        slot++;
    }
    count = (unsigned)(taken - frames);
    rx->next += count;
    return count;
}

/* Anything else. Returns whether there is a frame to hand over. */
static bool describe_frame(struct ixgbe_rx *rx, struct frame *frame, uint64_t status,
                           uint64_t packet_info)
{
    unsigned flags = 0;

    if ((status & (RX_EOP | RX_RXE | RX_LENGTH_IMPOSSIBLE)) != RX_EOP || rx->is_discarding) {
        /* Longer than a buffer, although the device passes no such frames, or damaged; or the
         * device is wrong about what it has written. Nobody reads a byte of it. */
        status &= ~RX_LENGTH;
        rx->is_discarding = (status & RX_EOP) == 0;
        if (rx->is_discarding) {
            nic_pool_release(frame);
            return false;
        }
        flags = FRAME_DAMAGED;
    }
    frame->length_bytes = (uint16_t)FIELD_GET(RX_LENGTH, status);
    frame->flags = (uint16_t)(flags | checksum_flags(status, packet_info));
    return true;
}

/* Take frames of any kind. Apart from its caller, which mostly has taken all. */
static __attribute__((noinline)) unsigned take_others(struct ixgbe_rx *rx, struct frame **frames,
                                                      unsigned frame_max)
{
    unsigned count = 0;

    while (count < frame_max && ixgbe_rx_is_pending(rx)) {
        const struct ixgbe_rx_descriptor *descriptor = &rx->ring[rx->next & RING_MASK];
        struct frame *frame = &rx->slots[rx->next & RING_MASK]->frame;
        uint64_t status = mmio_read64(descriptor, offsetof(struct ixgbe_rx_descriptor, status));

        if ((status & RX_SAID) == RX_USUAL && !rx->is_discarding) {
            count += take_usual(rx, frames + count, frame_max - count);
            continue;
        }
        /* As in take_usual(). */
        __asm__ volatile("" ::: "memory");
        rx->next++;
        if (describe_frame(
                rx, frame, status,
                mmio_read64(descriptor, offsetof(struct ixgbe_rx_descriptor, packet_info)))) {
            frames[count++] = frame;
        }
    }
    return count;
}

static inline bool is_refill_due(const struct ixgbe_rx *rx)
{
    return rx->size.given_max - (rx->filled - rx->next) >= NIC_REFILL_BATCH;
}

bool ixgbe_rx_is_idle(const struct ixgbe_rx *rx)
{
    /* Released buffers may be all there is for the device. */
    return !ixgbe_rx_is_pending(rx) && !is_refill_due(rx);
}

/* Apart from its caller, which mostly finds nothing and saves no registers. */
static __attribute__((noinline)) unsigned take_and_refill(struct ixgbe_rx *rx,
                                                          struct frame **frames, unsigned frame_max)
{
    unsigned count = rx->is_discarding ? 0 : take_usual(rx, frames, frame_max);

    if (UNLIKELY(count < frame_max && ixgbe_rx_is_pending(rx))) {
        count += take_others(rx, frames + count, frame_max - count);
    }
    if (is_refill_due(rx)) {
        refill_ring(rx);
    }
    return count;
}

unsigned ixgbe_receive(struct ixgbe_rx *rx, struct frame **frames, unsigned frame_max)
{
    return ixgbe_rx_is_idle(rx) ? 0 : take_and_refill(rx, frames, frame_max);
}
