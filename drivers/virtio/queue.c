/* SPDX-License-Identifier: MIT */
/*
 * This node's queue pair of a virtio card, as drivers/nic/nic.h wants it; and on the node that
 * drives the card, receive rings that stand in for those of nodes that do not serve theirs: this
 * queue looks after them.
 */
#include <errno.h>

#include "drivers/nic/nic.h"
#include "drivers/vectors.h"
#include "drivers/virtio/card.h"
#include "drivers/virtio/virtio.h"
#include "kernel/platform.h"
#include "kernel/x86/paging.h"
#include "libc/core/memory.h"

struct queue {
    struct nic_queue queue;
    struct virtio_rx rx;
    struct virtio_tx tx;
    struct virtio_line line;
    bool has_event_index;
    uint64_t interrupts_at_arm;      /* without event indices: taken when it was armed */
    struct virtio_stand_in *helpers; /* that it looks after */
};

/* Nothing is sent by it: what a device wants of a transmit ring is that there is one. */
struct virtio_stand_in {
    struct virtio_rx rx;
    struct virtio_ring tx;
    struct virtio_stand_in *next;
    bool is_used; /* it is on the list */
};

/* Chosen: enough for one who reads on while the node polls others; a device may want 33 buffers. */
#define STAND_IN_SIZE VIRTIO_RING_SIZE_MIN

MEMORY_KIND(queue_kind, "virtio_queue");
MEMORY_KIND(stand_in_kind, "virtio_stand_in");

/* This node's: NULL until it is first opened. It lasts, for frames that it has handed over, and
 * because pages do not come back. */
static struct queue *own_queue;

static inline struct queue *queue_of(const struct nic_queue *queue)
{
    return CONTAINER_OF(queue, struct queue, queue);
}

/* --- Its operations --- */

/* Those that it looks after. Apart from its caller, which mostly has none. */
static __attribute__((noinline)) unsigned
receive_for_others(struct queue *own, struct frame **frames, unsigned frame_max, bool is_disarmed)
{
    unsigned count = 0;

    for (struct virtio_stand_in *each = own->helpers; each != NULL; each = each->next) {
        if (is_disarmed) {
            virtio_ring_disarm(&each->rx.ring);
        }
        count += virtio_receive(&each->rx, frames + count, frame_max - count);
    }
    return count;
}

static unsigned receive(struct nic_queue *queue, struct frame **frames, unsigned frame_max)
{
    struct queue *own = queue_of(queue);
    bool is_disarmed = false;
    unsigned count;

    /* An interrupt that has been taken is armed again before sleep, as the link server has it. */
    if (!own->has_event_index && interrupt_count(INTERRUPT_VECTOR_NIC) != own->interrupts_at_arm) {
        virtio_ring_disarm(&own->rx.ring);
        is_disarmed = true;
    }
    count = virtio_receive(&own->rx, frames, frame_max);
    if (UNLIKELY(own->helpers != NULL)) {
        count += receive_for_others(own, frames + count, frame_max - count, is_disarmed);
    }
    return count;
}

static bool is_any_pending(const struct queue *own)
{
    for (const struct virtio_stand_in *each = own->helpers; each != NULL; each = each->next) {
        if (virtio_ring_returned(&each->rx.ring) != 0) {
            return true;
        }
    }
    return false;
}

/* Frames that the device has sent count, too, when their interrupt may have been asked for too
 * late: with much of the ring in flight. */
static bool is_pending(const struct nic_queue *queue)
{
    const struct queue *own = queue_of(queue);

    return virtio_ring_returned(&own->rx.ring) != 0 ||
           (virtio_tx_in_flight(&own->tx) > own->tx.ring.size / 2u &&
            virtio_ring_returned(&own->tx.ring) != 0) ||
           is_any_pending(own);
}

static bool arm(struct nic_queue *queue)
{
    struct queue *own = queue_of(queue);
    bool is_armed;

    /* First: what the device returns from here on raises the line again. */
    if (own->line.registers != NULL && !virtio_line_acknowledge(&own->line)) {
        own->line.registers = NULL;
        queue->interrupt_vector = 0; /* it is looked at by a timer from the next sleep on */
        return false;
    }
    own->interrupts_at_arm = interrupt_count(INTERRUPT_VECTOR_NIC);
    is_armed = virtio_ring_arm(&own->rx.ring, 0);
    for (struct virtio_stand_in *each = own->helpers; each != NULL; each = each->next) {
        is_armed = virtio_ring_arm(&each->rx.ring, 0) && is_armed; /* it is the same interrupt */
    }
    return is_armed && !is_pending(queue);
}

static bool is_idle(const struct nic_queue *queue)
{
    const struct queue *own = queue_of(queue);

    /* One that looks after others is looked at each round. */
    return virtio_rx_is_idle(&own->rx) && virtio_tx_is_idle(&own->tx) &&
           LIKELY(own->helpers == NULL);
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
    struct nic_buffers all = virtio_rx_count_buffers(&queue_of(queue)->rx);

    for (const struct virtio_stand_in *each = queue_of(queue)->helpers; each != NULL;
         each = each->next) {
        struct nic_buffers buffers = virtio_rx_count_buffers(&each->rx);

        all.free += buffers.free;
        all.used += buffers.used;
    }
    return all;
}

static int stop_other(struct nic_queue *queue, unsigned index, node_id_t node)
{
    (void)queue;
    (void)node;
    return virtio_stop_other(index);
}

static void run(struct nic_queue *queue)
{
    ASSERT(queue == &own_queue->queue);
    virtio_queue_run();
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
    .stop_other = stop_other,
    .run = run,
};

/* --- Opening --- */

static struct virtio_notifier notifier_at(const struct virtio_key *known, uint32_t offset,
                                          unsigned index)
{
    return (struct virtio_notifier){
        .address = paging_map_device(known->bar_paddr + offset, sizeof(uint16_t)),
        .queue_index = (uint16_t)index,
        .is_wide = known->notifies_by_32_bits,
    };
}

/* That of its receive queue, with all others' registers, which have one distance. */
static struct virtio_notifier rx_notifier_of(const struct virtio_key *known)
{
    struct virtio_notifier notifier = notifier_at(known, known->rx_offset, RX_QUEUE(known->pair));
    uint32_t first = known->rx_offset - known->pair * known->pair_offset_bytes;

    if (known->pair_count > 1 && notifier.address != NULL &&
        paging_map_device(known->bar_paddr + first,
                          (known->pair_count - 1) * (size_t)known->pair_offset_bytes +
                              sizeof(uint16_t)) != NULL) {
        notifier.pair_count = (uint16_t)known->pair_count;
        notifier.pair_offset_bytes = known->pair_offset_bytes;
    }
    return notifier;
}

static int open_rings(struct queue *own, const struct virtio_key *known,
                      struct virtio_notifier rx_notifier, struct virtio_notifier tx_notifier)
{
    int result;

    if (own->tx.ring.size > known->tx_size || own->rx.ring.size > known->rx_size) {
        return -ENOMEM; /* the card takes less than it did */
    }
    result = virtio_tx_open(&own->tx, known->tx_size, known->features, tx_notifier);
    return result != 0 ? result
                       : virtio_rx_open(&own->rx, known->rx_size, known->features, rx_notifier);
}

int virtio_queue_open(const struct virtio_key *known, struct virtio_line line,
                      struct nic_queue **queue, struct virtio_queue_rings *rings)
{
    struct virtio_notifier rx_notifier = rx_notifier_of(known);
    struct virtio_notifier tx_notifier =
        notifier_at(known, known->tx_offset, TX_QUEUE(known->pair));
    int result;

    if (own_queue == NULL) {
        own_queue = memory_allocate_zeroed(&queue_kind, sizeof(*own_queue));
    }
    if (own_queue == NULL || rx_notifier.address == NULL || tx_notifier.address == NULL) {
        return -ENOMEM;
    }
    result = open_rings(own_queue, known, rx_notifier, tx_notifier);
    if (result != 0) {
        return result;
    }
    while (own_queue->helpers != NULL) { /* of an earlier start: the device knows of none now */
        virtio_stand_in_close(own_queue->helpers);
    }
    own_queue->line = line;
    own_queue->has_event_index = (known->features & VIRTIO_F_EVENT_IDX) != 0;
    if (own_queue->queue.operations == NULL) { /* else its user may have put others before them */
        own_queue->queue.operations = &queue_operations;
    }
    own_queue->queue.interrupt_vector = known->has_interrupt ? INTERRUPT_VECTOR_NIC : 0;
    own_queue->queue.can_segment_tcp = (known->features & VIRTIO_NET_F_HOST_TSO4) != 0;
    *rings = (struct virtio_queue_rings){
        .rx_bus_addr = platform_bus_addr(own_queue->rx.ring.descriptors),
        .tx_bus_addr = platform_bus_addr(own_queue->tx.ring.descriptors),
        .rx_size = own_queue->rx.ring.size,
        .tx_size = own_queue->tx.ring.size,
    };
    virtio_queue_pause();
    *queue = &own_queue->queue;
    return 0;
}

bool virtio_queue_is_open(void)
{
    return own_queue != NULL && own_queue->queue.operations != NULL;
}

/* As one that the device lies about, but for the log. */
static void set_paused(bool is_paused)
{
    own_queue->rx.ring.is_stopped = is_paused;
    (is_paused ? virtio_tx_pause : virtio_tx_run)(&own_queue->tx);
}

void virtio_queue_run(void)
{
    set_paused(false);
}

void virtio_queue_pause(void)
{
    set_paused(true);
    for (struct virtio_stand_in *each = own_queue->helpers; each != NULL; each = each->next) {
        each->rx.ring.is_stopped = true;
    }
}

/* --- Stand-ins --- */

static unsigned at_most(unsigned size, unsigned size_max)
{
    return size < size_max ? size : size_max;
}

static int open_stand_in(struct virtio_stand_in *stand_in, unsigned rx_size, unsigned tx_size,
                         uint64_t features, struct virtio_notifier rx_notifier)
{
    static const struct virtio_notifier nobody;
    int result = 0;

    if (stand_in->rx.ring.size > rx_size || stand_in->tx.size > tx_size) {
        return -ENOMEM; /* the card takes less than it did */
    }
    if (stand_in->tx.size != 0) {
        virtio_ring_restart(&stand_in->tx, false, nobody);
    } else {
        result = virtio_ring_open(&stand_in->tx, tx_size, false, nobody, &stand_in_kind);
    }
    return result != 0 ? result : virtio_rx_open(&stand_in->rx, rx_size, features, rx_notifier);
}

int virtio_stand_in_open(struct virtio_stand_in **kept, unsigned rx_size_max, unsigned tx_size_max,
                         uint64_t features, struct virtio_notifier rx_notifier,
                         struct virtio_queue_rings *rings)
{
    struct virtio_stand_in *stand_in = *kept;
    int result;

    ASSERT(virtio_queue_is_open());
    if (stand_in == NULL) {
        stand_in = memory_allocate_zeroed(&stand_in_kind, sizeof(*stand_in));
        if (stand_in == NULL) {
            return -ENOMEM;
        }
        *kept = stand_in;
    }
    ASSERT(!stand_in->is_used);
    result = open_stand_in(stand_in, at_most(STAND_IN_SIZE, rx_size_max),
                           at_most(STAND_IN_SIZE, tx_size_max), features, rx_notifier);
    if (result != 0) {
        return result;
    }
    *rings = (struct virtio_queue_rings){
        .rx_bus_addr = platform_bus_addr(stand_in->rx.ring.descriptors),
        .tx_bus_addr = platform_bus_addr(stand_in->tx.descriptors),
        .rx_size = stand_in->rx.ring.size,
        .tx_size = stand_in->tx.size,
    };
    /* This queue may have asked for its interrupt already, and sleep. */
    (void)virtio_ring_arm(&stand_in->rx.ring, 0);
    stand_in->is_used = true;
    stand_in->next = own_queue->helpers;
    own_queue->helpers = stand_in;
    return 0;
}

void virtio_stand_in_close(struct virtio_stand_in *stand_in)
{
    struct virtio_stand_in **at = &own_queue->helpers;

    ASSERT(stand_in->is_used);
    stand_in->is_used = false;
    while (*at != NULL && *at != stand_in) {
        at = &(*at)->next;
    }
    if (*at != NULL) {
        *at = stand_in->next;
    }
}
