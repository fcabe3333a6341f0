/* SPDX-License-Identifier: MIT */
/*
 * The queue pairs of the card that this node drives. All must have rings when the device starts, so
 * each node says where its own are; what no node has given gets rings here, which this node's queue
 * looks after (queue.c). A pair changes hands later where the device can stop one queue alone.
 */
#include <errno.h>

#include "drivers/vectors.h"
#include "drivers/virtio/card.h"
#include "kernel/log.h"
#include "kernel/platform.h"

unsigned virtio_pair_of(const struct virtio_card *card, unsigned index)
{
    if (index == card->own_index) {
        return index < card->pair_count ? index : 0;
    }
    if (index >= card->pair_count || (index == 0 && card->own_index >= card->pair_count)) {
        return PAIR_NONE;
    }
    return index;
}

/* --- What there is --- */

static bool is_usable(const struct virtio_queue_place *place)
{
    if (!virtio_ring_is_size(place->size)) {
        log_error("virtio", "queue %u has a ring of %u only", place->index, place->size);
        return false;
    }
    return true;
}

static int describe_pair(struct virtio_card *card, unsigned index)
{
    struct virtio_pair *pair = &card->pairs[index];
    struct virtio_stand_in *kept = pair->stand_in;

    *pair = (struct virtio_pair){.entry = VECTOR_NONE, .stand_in = kept};
    if (virtio_queue_describe(&card->device, RX_QUEUE(index), VIRTIO_RING_SIZE_MAX,
                              &pair->rx_place) != 0 ||
        virtio_queue_describe(&card->device, TX_QUEUE(index), VIRTIO_RING_SIZE_MAX,
                              &pair->tx_place) != 0) {
        return -ENODEV;
    }
    return is_usable(&pair->rx_place) && is_usable(&pair->tx_place) ? 0 : -ENODEV;
}

/* Whether the receive queues' registers have one distance, and which. */
static uint32_t pair_distance(const struct virtio_card *card)
{
    uint32_t first = card->pairs[0].rx_place.notify_offset;
    uint32_t distance = card->pair_count > 1 ? card->pairs[1].rx_place.notify_offset - first : 0;

    for (unsigned i = 0; i < card->pair_count; i++) {
        if (card->pairs[i].rx_place.notify_offset != first + i * distance) {
            return 0;
        }
    }
    return distance % sizeof(uint16_t) == 0 && distance < INT32_MAX ? distance : 0;
}

int virtio_pairs_describe(struct virtio_card *card)
{
    const uint64_t several = VIRTIO_NET_F_MQ | VIRTIO_NET_F_RSS;

    card->pair_count_max = (card->device.features & several) != 0
                               ? virtio_config_read16(&card->device, CONFIG_PAIRS_MAX)
                               : 1;
    if (card->pair_count_max < 1 || card->pair_count_max > PAIRS_LIMIT) {
        log_error("virtio", "the card says that it has %u queue pairs", card->pair_count_max);
        return -ENODEV;
    }
    card->pair_count = card->pair_count_max < NIC_QUEUE_MAX ? card->pair_count_max : NIC_QUEUE_MAX;
    for (unsigned i = 0; i < card->pair_count; i++) {
        if (describe_pair(card, i) != 0) {
            return -ENODEV;
        }
    }
    card->pair_offset_bytes = pair_distance(card);
    return 0;
}

void virtio_pairs_interrupts(struct virtio_card *card, const struct pci_msix *msix)
{
    unsigned own = virtio_pair_of(card, card->own_index);
    unsigned other = card->pair_count;

    for (unsigned i = 0; i < card->pair_count && i < msix->entry_count; i++) {
        /* One that no link server has is looked after by this node, with its own pair's. */
        node_id_t node = i == own               ? platform_node()
                         : i < card->node_count ? card->nodes[i]
                                                : NODE_NONE;

        if (node != NODE_NONE && interrupt_apic_id(node) <= INTERRUPT_DEVICE_APIC_ID_MAX) {
            card->pairs[i].entry = i;
            pci_msix_set_entry(msix, i, interrupt_apic_id(node), INTERRUPT_VECTOR_NIC);
        }
    }
    if (other < msix->entry_count) {
        pci_msix_set_entry(msix, other, interrupt_apic_id(platform_node()),
                           INTERRUPT_VECTOR_NIC_OTHER);
    } else {
        other = card->pairs[own].entry;
    }
    if (other != VECTOR_NONE && virtio_set_config_vector(&card->device, other)) {
        card->nic.link_vector =
            other == card->pair_count ? INTERRUPT_VECTOR_NIC_OTHER : INTERRUPT_VECTOR_NIC;
    }
}

struct virtio_notifier virtio_notifier_of(const struct virtio_card *card,
                                          const struct virtio_queue_place *place)
{
    return (struct virtio_notifier){
        .address =
            (uint8_t *)card->notify_registers + (place->notify_offset - card->device.notify_offset),
        .queue_index = place->index,
        .is_wide = card->device.transport->notifies_by_32_bits,
    };
}

/* --- Start --- */

static int start_queues(struct virtio_card *card, const struct virtio_pair *pair,
                        const struct virtio_queue_rings *rings, unsigned entry)
{
    struct virtio_queue_place rx = pair->rx_place, tx = pair->tx_place;
    int result;

    rx.size = rings->rx_size;
    tx.size = rings->tx_size;
    result = virtio_queue_start(&card->device, &rx, rings->rx_bus_addr, entry);
    return result != 0 ? result : virtio_queue_start(&card->device, &tx, rings->tx_bus_addr, entry);
}

/* With rings of this node's, and the interrupt of its own pair. */
static int stand_in(struct virtio_card *card, struct virtio_pair *pair)
{
    struct virtio_notifier notifier = virtio_notifier_of(card, &pair->rx_place);
    struct virtio_queue_rings rings;
    int result;

    notifier.pair_offset_bytes = card->pair_offset_bytes;
    notifier.pair_count = (uint16_t)(card->pair_offset_bytes == 0 ? 0 : card->pair_count);
    result = virtio_stand_in_open(&pair->stand_in, pair->rx_place.size, pair->tx_place.size,
                                  card->device.features, notifier, &rings);
    if (result != 0) {
        log_error("virtio", "no memory to stand in for pair %u", pair->rx_place.index / 2);
        return result;
    }
    pair->is_stood_in = true;
    result =
        start_queues(card, pair, &rings, card->pairs[virtio_pair_of(card, card->own_index)].entry);
    if (result != 0) {
        virtio_stand_in_close(pair->stand_in);
        pair->is_stood_in = false;
    }
    return result;
}

int virtio_pairs_start(struct virtio_card *card)
{
    unsigned stood_in_count = 0;

    for (unsigned i = 0; i < card->pair_count; i++) {
        struct virtio_pair *pair = &card->pairs[i];
        int result = pair->is_given ? start_queues(card, pair, &pair->rings, pair->entry)
                                    : stand_in(card, pair);

        if (result != 0) {
            return result;
        }
        stood_in_count += pair->is_stood_in;
    }
    if (stood_in_count > 0) {
        log_info("virtio", "%u of %u queue pairs are served here for others", stood_in_count,
                 card->pair_count);
    }
    return 0;
}

void virtio_pairs_notify(const struct virtio_card *card)
{
    for (unsigned i = 0; i < card->pair_count; i++) {
        struct virtio_notifier notifier = virtio_notifier_of(card, &card->pairs[i].rx_place);

        virtio_notify(&notifier);
    }
}

/* --- While the device runs --- */

static int reset_queues(struct virtio_card *card, const struct virtio_pair *pair)
{
    int result = virtio_queue_reset(&card->device, pair->rx_place.index);

    return result != 0 ? result : virtio_queue_reset(&card->device, pair->tx_place.index);
}

/* A queue that was reset goes on here; without memory it stands still, and no frame is steered to
 * it. */
static void go_on_here(struct virtio_card *card, struct virtio_pair *pair)
{
    if (stand_in(card, pair) == 0) {
        virtio_pairs_notify(card);
    }
}

int virtio_pair_give(struct virtio_card *card, unsigned index,
                     const struct virtio_queue_rings *rings)
{
    struct virtio_pair *pair = &card->pairs[index];

    if (!card->is_running) {
        pair->rings = *rings;
        pair->is_given = true;
        return 0;
    }
    if (!virtio_has(&card->device, VIRTIO_F_RING_RESET)) {
        return -ENOTSUP;
    }
    virtio_rss_leave_out(card, index);
    if (reset_queues(card, pair) != 0) {
        return -ETIMEDOUT;
    }
    if (pair->is_stood_in) {
        virtio_stand_in_close(pair->stand_in);
        pair->is_stood_in = false;
    }
    pair->rings = *rings;
    pair->is_given = true; /* also one of both: until it is taken back */
    if (start_queues(card, pair, rings, pair->entry) != 0) {
        return -ETIMEDOUT;
    }
    virtio_pairs_notify(card);
    return 0;
}

int virtio_pair_take_back(struct virtio_card *card, unsigned index)
{
    struct virtio_pair *pair = &card->pairs[index];

    if (!pair->is_given) {
        return 0;
    }
    pair->is_given = false;
    if (!card->is_running) {
        return 0; /* it has not been told */
    }
    /* First: nothing is to wait for a queue that takes nothing. */
    virtio_rss_leave_out(card, index);
    if (!virtio_has(&card->device, VIRTIO_F_RING_RESET) || reset_queues(card, pair) != 0) {
        log_info("virtio", "pair %u cannot be stopped alone: the card is started anew", index);
        virtio_card_switch_off(card);
        return -ENODEV;
    }
    go_on_here(card, pair);
    return 0;
}
