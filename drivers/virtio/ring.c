/* SPDX-License-Identifier: MIT */
/*
 * A split ring: see ring.h.
 */
#include "drivers/virtio/ring.h"

#include <errno.h>
#include <string.h>

#include "drivers/iommu/iommu.h"
#include "drivers/nic/counters.h"
#include "kernel/log.h"
#include "kernel/message/status.h"

int virtio_ring_open(struct virtio_ring *ring, unsigned size, bool has_event_index,
                     struct virtio_notifier notifier, const struct memory_kind *kind)
{
    size_t page_count = (virtio_ring_bytes(size) + PAGE_BYTES - 1) / PAGE_BYTES;
    uint8_t *memory;

    ASSERT(IS_POWER_OF_TWO(size) && size <= VIRTIO_RING_SIZE_MAX);
    memory = iommu_allocate_pages(kind, page_count);
    if (memory == NULL) {
        return -ENOMEM;
    }
    *ring = (struct virtio_ring){.descriptors = (struct virtio_descriptor *)memory,
                                 .size = (uint16_t)size};
    virtio_ring_restart(ring, has_event_index, notifier);
    return 0;
}

void virtio_ring_restart(struct virtio_ring *ring, bool has_event_index,
                         struct virtio_notifier notifier)
{
    uint8_t *memory = (uint8_t *)ring->descriptors;
    unsigned size = ring->size;

    memset(memory, 0, ALIGN_UP(virtio_ring_bytes(size), (size_t)PAGE_BYTES));
    *ring = (struct virtio_ring){
        .descriptors = ring->descriptors,
        .available = memory + virtio_ring_available_offset(size),
        .used = memory + virtio_ring_used_offset(size),
        .size = size,
        .mask = size - 1,
        .has_event_index = has_event_index,
        .notifier = notifier,
    };
    if (has_event_index) {
        /* The chain before the first: none for as long as possible. */
        mmio_write16(ring->available, AVAILABLE_USED_EVENT(size), UINT16_MAX);
    } else {
        mmio_write16(ring->available, AVAILABLE_FLAGS, AVAILABLE_NO_INTERRUPT);
    }
}

void virtio_ring_stop(struct virtio_ring *ring, const char *what, uint32_t value)
{
    ring->is_stopped = true;
    counter_increment(COUNTER_NIC_QUEUES_STOPPED);
    log_error("virtio", "queue %u is stopped, for its device lies: %s (%u)",
              ring->notifier.queue_index, what, value);
}

/* Whether the device wants to be told of what it is shown: from chain `old` on. */
static bool is_notification_wanted(const struct virtio_ring *ring, uint32_t old)
{
    if (ring->has_event_index) {
        uint16_t event = mmio_read16(ring->used, USED_AVAILABLE_EVENT(ring->size));

        return (uint16_t)(ring->shown - event - 1) < (uint16_t)(ring->shown - old);
    }
    return (mmio_read16(ring->used, USED_FLAGS) & USED_NO_NOTIFY) == 0;
}

/* In QEMU's RSS a frame for a pair without buffers stops all behind it, whatever their pair; and
 * the device looks again when the queue of the frame that it stands behind is notified. The
 * register wants no more than 16 bits that name a queue, so others' are written from here, too. */
void virtio_notify(const struct virtio_notifier *notifier)
{
    uint8_t *first = notifier->address;

    if (notifier->is_wide) {
        mmio_write32(notifier->address, 0, notifier->queue_index);
        return;
    }
    mmio_write16(notifier->address, 0, notifier->queue_index);
    first -= (size_t)notifier->queue_index / 2 * notifier->pair_offset_bytes;
    for (unsigned pair = 0; pair < notifier->pair_count; pair++) {
        if (2 * pair != notifier->queue_index) {
            mmio_write16(first + (size_t)pair * notifier->pair_offset_bytes, 0,
                         (uint16_t)(2 * pair));
        }
    }
}

void virtio_ring_show(struct virtio_ring *ring)
{
    uint32_t old = ring->shown;

    if (ring->next_available == old || ring->is_stopped) {
        return;
    }
    ring->shown = ring->next_available;
    virtio_compiler_barrier(); /* pairs with the device's look at entries after the index */
    mmio_write16(ring->available, AVAILABLE_INDEX, (uint16_t)ring->shown);
    virtio_full_fence(); /* pairs with the device's between its wish and its look at the index */
    if (is_notification_wanted(ring, old)) {
        virtio_notify(&ring->notifier);
    }
}

bool virtio_ring_arm(struct virtio_ring *ring, uint16_t after)
{
    if (ring->is_stopped) {
        return true; /* nothing comes any more */
    }
    if (ring->has_event_index) {
        mmio_write16(ring->available, AVAILABLE_USED_EVENT(ring->size),
                     (uint16_t)(ring->next_used + after));
    } else if (!ring->interrupts) {
        ring->interrupts = true;
        mmio_write16(ring->available, AVAILABLE_FLAGS, 0);
    }
    virtio_full_fence(); /* pairs with the device's between its index and its look at the wish */
    return virtio_ring_returned(ring) <= after;
}

void virtio_ring_disarm(struct virtio_ring *ring)
{
    if (ring->interrupts) {
        ring->interrupts = false;
        mmio_write16(ring->available, AVAILABLE_FLAGS, AVAILABLE_NO_INTERRUPT);
    }
}
