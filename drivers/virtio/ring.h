/* SPDX-License-Identifier: MIT */
/*
 * A split ring (VIRTIO 2.7), from the driver's side: three areas side by side, each on cache lines
 * of its own. The driver makes chains of descriptors available; the device returns each, used, in
 * any order. Both count in 16 bits that run freely.
 *
 * Barriers. x86 keeps stores in order, and loads; a store may pass a later load. So:
 *   descriptors and entries before the index     the compiler must be held
 *   the index before the look at who wants to be told, on both sides      a full fence
 *   the device's index before the look at its entries and data     the compiler must be held
 */
#pragma once

#include "drivers/virtio/regs.h"
#include "kernel/base.h"
#include "kernel/platform.h"
#include "libc/core/memory.h"
#include "libc/core/mmio.h"

/* An area of used entries begins so far behind a line's begin: each entry is then aligned, and read
 * at once. */
#define USED_SHIFT 4u

#define VIRTIO_RING_SIZE_MAX 1024u
#define VIRTIO_RING_SIZE_MIN 64u /* of frames: a much shorter one is of no use */

/* How the device is told that a ring has more: by a write of the queue's index there. Of receive
 * queues all are told when one has been empty: the device may hold frames for others behind one for
 * that (virtio_notify()). */
struct virtio_notifier {
    void *address;
    uint16_t queue_index;
    bool is_wide;               /* by 32 bits, else by 16 */
    uint16_t pair_count;        /* of a receive queue, those of the card; 0: it alone is told */
    uint32_t pair_offset_bytes; /* from one receive queue's register to the next one's */
};

/* Tell the device. */
void virtio_notify(const struct virtio_notifier *notifier);

struct virtio_ring {
    struct virtio_descriptor *descriptors;
    void *available, *used;
    uint32_t size, mask;
    /* Free-running; the device sees their low 16 bits. */
    uint32_t next_available; /* as this side counts: what it will show the device */
    uint32_t shown;          /* as the device has been shown */
    uint32_t next_used;      /* what has been taken */
    bool has_event_index;
    bool is_stopped; /* the device has lied about it */
    bool interrupts; /* without event indices: they are on */
    struct virtio_notifier notifier;
};

static inline size_t virtio_ring_available_offset(unsigned size)
{
    return size * sizeof(struct virtio_descriptor);
}
static inline size_t virtio_ring_used_offset(unsigned size)
{
    return ALIGN_UP(virtio_ring_available_offset(size) + AVAILABLE_BYTES(size), 64u) + USED_SHIFT;
}
static inline size_t virtio_ring_bytes(unsigned size)
{
    return virtio_ring_used_offset(size) + USED_BYTES(size);
}

/* Allocate an empty one, without interrupts. size is a power of two, up to VIRTIO_RING_SIZE_MAX. 0
 * or -ENOMEM. */
MUST_CHECK int virtio_ring_open(struct virtio_ring *ring, unsigned size, bool has_event_index,
                                struct virtio_notifier notifier, const struct memory_kind *kind);

/* The same memory again, empty: the device must not know of it. */
void virtio_ring_restart(struct virtio_ring *ring, bool has_event_index,
                         struct virtio_notifier notifier);
/* Of a ring of frames. */
static inline bool virtio_ring_is_size(unsigned size)
{
    return IS_POWER_OF_TWO(size) && size >= VIRTIO_RING_SIZE_MIN && size <= VIRTIO_RING_SIZE_MAX;
}

/* The device has lied about it: it is used no more. Logged, with what it has done, and counted. */
void virtio_ring_stop(struct virtio_ring *ring, const char *what, uint32_t value);

static inline void virtio_compiler_barrier(void)
{
    __asm__ volatile("" ::: "memory");
}

/* Keeps what was stored before what is loaded next. */
static inline void virtio_full_fence(void)
{
    __asm__ volatile("lock; orl $0, (%%rsp)" ::: "memory", "cc");
}

/* Make a chain available that begins with this descriptor: the device sees it at the next
 * virtio_ring_show(). */
static inline void virtio_ring_put(struct virtio_ring *ring, uint16_t head)
{
    mmio_write16(ring->available, AVAILABLE_ENTRY(ring->next_available & ring->mask), head);
    ring->next_available++;
}

/* How many chains have been made available and not been taken back. */
static inline uint32_t virtio_ring_outstanding(const struct virtio_ring *ring)
{
    return ring->next_available - ring->next_used;
}

/* Let the device see what has been made available, and notify it if it wants that. */
void virtio_ring_show(struct virtio_ring *ring);

/* How many chains the device has returned that have not been taken; it has said so, and nothing was
 * checked. */
static inline uint16_t virtio_ring_returned(const struct virtio_ring *ring)
{
    return ring->is_stopped ? 0 : (uint16_t)(mmio_read16(ring->used, USED_INDEX) - ring->next_used);
}

/* The same, checked: it cannot be more than it has. Otherwise the ring is stopped. */
static inline uint16_t virtio_ring_take_returned(struct virtio_ring *ring)
{
    uint16_t count = virtio_ring_returned(ring);

    if (UNLIKELY(count > (uint16_t)(ring->shown - ring->next_used))) {
        virtio_ring_stop(ring, "it has returned more than it was given", count);
        return 0;
    }
    virtio_compiler_barrier();
    return count;
}

struct virtio_used {
    uint32_t id, length_bytes;
};

/* As a used entry stands in memory: read once. */
static inline struct virtio_used virtio_ring_read_used(const void *entry)
{
    uint64_t word = mmio_read64(entry, 0);

    return (struct virtio_used){.id = (uint32_t)word, .length_bytes = (uint32_t)(word >> 32)};
}

static inline const void *virtio_ring_used_entry(const struct virtio_ring *ring)
{
    return (const uint8_t *)ring->used + USED_ID(ring->next_used & ring->mask);
}

/* The next one of those. */
static inline struct virtio_used virtio_ring_take(struct virtio_ring *ring)
{
    struct virtio_used used = virtio_ring_read_used(virtio_ring_used_entry(ring));

    ring->next_used++;
    return used;
}

/*
 * Let the interrupt come when the device returns the chain so many after the next one: once.
 * Returns whether it has not already returned that one. Without event indices: each that it
 * returns, until virtio_ring_disarm().
 */
bool virtio_ring_arm(struct virtio_ring *ring, uint16_t after);
/* Without event indices: no more interrupts. With them they end by themselves. */
void virtio_ring_disarm(struct virtio_ring *ring);
