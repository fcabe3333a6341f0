/* SPDX-License-Identifier: MIT */
/*
 * A queue pair of a virtio card, as drivers/nic/nic.h wants it, and the key that opens it.
 */
#include <errno.h>

#include "drivers/nic/nic.h"
#include "drivers/vectors.h"
#include "drivers/virtio/virtio.h"
#include "kernel/platform.h"
#include "kernel/x86/paging.h"
#include "libc/core/memory.h"

/* The words of a queue's key. */
#define KEY_BAR      0 /* that it is notified in: address, and in the lowest bits the size */
#define KEY_NOTIFY   1 /* offsets there: receive, and above its 32 bits transmit */
#define KEY_FEATURES 2
#define KEY_SIZES    3 /* of rings: receive, transmit in the next 16 bits, then KEY_INTERRUPT */

#define KEY_BAR_LOG     BITS(5, 0)
#define KEY_SIZE_RX     BITS(15, 0)
#define KEY_SIZE_TX     BITS(31, 16)
#define KEY_INTERRUPT   BIT(32)
#define KEY_SIZES_KNOWN (KEY_SIZE_RX | KEY_SIZE_TX | KEY_INTERRUPT)

struct queue {
    struct nic_queue queue;
    struct virtio_rx rx;
    struct virtio_tx tx;
    struct virtio_line line;
    bool has_event_index;
    uint64_t interrupts_at_arm; /* without event indices: taken when it was armed */
};

MEMORY_KIND(queue_kind, "virtio_queue");

static inline struct queue *queue_of(const struct nic_queue *queue)
{
    return CONTAINER_OF(queue, struct queue, queue);
}

/* --- Its key --- */

void virtio_key_write(struct nic_queue_key *key, const struct virtio_key *known)
{
    ASSERT(IS_POWER_OF_TWO(known->bar_bytes) && known->bar_paddr % PAGE_BYTES == 0);
    key->words[KEY_BAR] = known->bar_paddr | (unsigned)__builtin_ctzll(known->bar_bytes);
    key->words[KEY_NOTIFY] = known->rx_offset | (uint64_t)known->tx_offset << 32;
    key->words[KEY_FEATURES] = known->features;
    key->words[KEY_SIZES] = FIELD_PREP(KEY_SIZE_RX, known->rx_size) |
                            FIELD_PREP(KEY_SIZE_TX, known->tx_size) |
                            (known->has_interrupt ? KEY_INTERRUPT : 0);
}

static bool is_size(unsigned size)
{
    return IS_POWER_OF_TWO(size) && size >= VIRTIO_RING_SIZE_MIN && size <= VIRTIO_RING_SIZE_MAX;
}

bool virtio_key_read(const struct nic_queue_key *key, uint64_t features, struct virtio_key *known)
{
    *known = (struct virtio_key){
        .bar_paddr = key->words[KEY_BAR] & ~(PAGE_BYTES - UINT64_C(1)),
        .bar_bytes = UINT64_C(1) << FIELD_GET(KEY_BAR_LOG, key->words[KEY_BAR]),
        .features = key->words[KEY_FEATURES],
        .rx_offset = (uint32_t)key->words[KEY_NOTIFY],
        .tx_offset = (uint32_t)(key->words[KEY_NOTIFY] >> 32),
        .rx_size = (unsigned)FIELD_GET(KEY_SIZE_RX, key->words[KEY_SIZES]),
        .tx_size = (unsigned)FIELD_GET(KEY_SIZE_TX, key->words[KEY_SIZES]),
        .has_interrupt = (key->words[KEY_SIZES] & KEY_INTERRUPT) != 0,
    };
    return key->queue_index < NIC_QUEUE_MAX && is_size(known->rx_size) && is_size(known->tx_size) &&
           (key->words[KEY_SIZES] & ~KEY_SIZES_KNOWN) == 0 && (known->features & ~features) == 0 &&
           known->rx_offset + sizeof(uint16_t) <= known->bar_bytes &&
           known->tx_offset + sizeof(uint16_t) <= known->bar_bytes;
}

/* --- Its operations --- */

static unsigned receive(struct nic_queue *queue, struct frame **frames, unsigned frame_max)
{
    struct queue *own = queue_of(queue);

    /* An interrupt that has been taken is armed again before sleep, as the link server has it. */
    if (!own->has_event_index && interrupt_count(INTERRUPT_VECTOR_NIC) != own->interrupts_at_arm) {
        virtio_ring_disarm(&own->rx.ring);
    }
    return virtio_receive(&own->rx, frames, frame_max);
}

/* Frames that the device has sent count, too, when their interrupt may have been asked for too
 * late: with much of the ring in flight. */
static bool is_pending(const struct nic_queue *queue)
{
    const struct queue *own = queue_of(queue);

    return virtio_ring_returned(&own->rx.ring) != 0 ||
           (virtio_tx_in_flight(&own->tx) > own->tx.ring.size / 2u &&
            virtio_ring_returned(&own->tx.ring) != 0);
}

static bool arm(struct nic_queue *queue)
{
    struct queue *own = queue_of(queue);

    /* First: what the device returns from here on raises the line again. */
    if (own->line.registers != NULL && !virtio_line_acknowledge(&own->line)) {
        own->line.registers = NULL;
        queue->interrupt_vector = 0; /* it is looked at by a timer from the next sleep on */
        return false;
    }
    own->interrupts_at_arm = interrupt_count(INTERRUPT_VECTOR_NIC);
    return virtio_ring_arm(&own->rx.ring, 0) && !is_pending(queue);
}

static bool is_idle(const struct nic_queue *queue)
{
    return virtio_rx_is_idle(&queue_of(queue)->rx) && virtio_tx_is_idle(&queue_of(queue)->tx);
}

static int transmit(struct nic_queue *queue, const struct frame_to_send *frame)
{
    return virtio_transmit(&queue_of(queue)->tx, frame);
}

static void flush(struct nic_queue *queue)
{
    virtio_tx_flush(&queue_of(queue)->tx);
}

static unsigned reclaim(struct nic_queue *queue)
{
    return virtio_tx_reclaim(&queue_of(queue)->tx);
}

static unsigned in_flight(const struct nic_queue *queue)
{
    return virtio_tx_in_flight(&queue_of(queue)->tx);
}

static struct nic_buffers count_buffers(const struct nic_queue *queue)
{
    return virtio_rx_count_buffers(&queue_of(queue)->rx);
}

static const struct nic_queue_operations queue_operations = {
    .receive = receive,
    .is_pending = is_pending,
    .is_idle = is_idle,
    .arm = arm,
    .transmit = transmit,
    .flush = flush,
    .reclaim = reclaim,
    .in_flight = in_flight,
    .count_buffers = count_buffers,
};

static int open_rings(struct queue *own, const struct virtio_key *known, unsigned pair)
{
    struct virtio_notifier rx_notifier = {
        .address = paging_map_device(known->bar_paddr + known->rx_offset, sizeof(uint16_t)),
        .queue_index = (uint16_t)RX_QUEUE(pair),
        .is_wide = known->notifies_by_32_bits,
    };
    struct virtio_notifier tx_notifier = {
        .address = paging_map_device(known->bar_paddr + known->tx_offset, sizeof(uint16_t)),
        .queue_index = (uint16_t)TX_QUEUE(pair),
        .is_wide = known->notifies_by_32_bits,
    };
    int result;

    if (rx_notifier.address == NULL || tx_notifier.address == NULL) {
        return -ENOMEM;
    }
    result = virtio_tx_open(&own->tx, known->tx_size, known->features, tx_notifier);
    return result != 0 ? result
                       : virtio_rx_open(&own->rx, known->rx_size, known->features, rx_notifier);
}

/* One that fails keeps what it has allocated, as pages do not come back. */
int virtio_queue_open(const struct virtio_key *known, unsigned pair, struct virtio_line line,
                      struct nic_queue **queue, struct virtio_queue_rings *rings)
{
    struct queue *own = memory_allocate_zeroed(&queue_kind, sizeof(*own));
    int result;

    if (own == NULL) {
        return -ENOMEM;
    }
    result = open_rings(own, known, pair);
    if (result != 0) {
        return result;
    }
    own->line = line;
    own->has_event_index = (known->features & VIRTIO_F_EVENT_IDX) != 0;
    own->queue.operations = &queue_operations;
    own->queue.interrupt_vector = known->has_interrupt ? INTERRUPT_VECTOR_NIC : 0;
    own->queue.can_segment_tcp = (known->features & VIRTIO_NET_F_HOST_TSO4) != 0;
    *rings = (struct virtio_queue_rings){
        .rx_bus_addr = platform_bus_addr(own->rx.ring.descriptors),
        .tx_bus_addr = platform_bus_addr(own->tx.ring.descriptors),
    };
    *queue = &own->queue;
    return 0;
}
