/* SPDX-License-Identifier: MIT */
/*
 * What nodes tell each other of a queue pair: the key that opens it, from the node that drives the
 * card, and where its rings are, from the node that has them. Each is read as another node's word.
 */
#include "drivers/nic/nic.h"
#include "drivers/virtio/virtio.h"
#include "kernel/node.h"
#include "kernel/platform.h"

/* The words of a queue's key. */
#define KEY_BAR      0 /* that it is notified in: address, and in the lowest bits the size */
#define KEY_NOTIFY   1 /* offsets there: receive, and above its 32 bits transmit */
#define KEY_FEATURES 2
#define KEY_SIZES    3 /* of rings: receive, transmit in the next 16 bits; then what follows */

#define KEY_BAR_LOG     BITS(5, 0)
#define KEY_SIZE_RX     BITS(11, 0)
#define KEY_SIZE_TX     BITS(23, 12)
#define KEY_INTERRUPT   BIT(24)
#define KEY_PAIR        BITS(31, 25)
#define KEY_STARTER     BITS(38, 32)
#define KEY_PAIR_COUNT  BITS(46, 39)
#define KEY_PAIR_OFFSET BITS(63, 47) /* registers' distance, in units of two bytes */
#define PAIR_OFFSET_MAX 0x3FFFEu

void virtio_key_write(struct nic_queue_key *key, const struct virtio_key *known)
{
    bool are_all_known = known->pair_offset_bytes <= PAIR_OFFSET_MAX;

    ASSERT(IS_POWER_OF_TWO(known->bar_bytes) && known->bar_paddr % PAGE_BYTES == 0);
    ASSERT(known->pair_offset_bytes % 2 == 0);
    key->words[KEY_BAR] = known->bar_paddr | (unsigned)__builtin_ctzll(known->bar_bytes);
    key->words[KEY_NOTIFY] = known->rx_offset | (uint64_t)known->tx_offset << 32;
    key->words[KEY_FEATURES] = known->features;
    key->words[KEY_SIZES] =
        FIELD_PREP(KEY_SIZE_RX, known->rx_size) | FIELD_PREP(KEY_SIZE_TX, known->tx_size) |
        (known->has_interrupt ? KEY_INTERRUPT : 0) | FIELD_PREP(KEY_PAIR, known->pair) |
        FIELD_PREP(KEY_STARTER, known->starter) |
        FIELD_PREP(KEY_PAIR_COUNT, are_all_known ? known->pair_count : 1) |
        FIELD_PREP(KEY_PAIR_OFFSET, are_all_known ? known->pair_offset_bytes / 2 : 0);
}

/* Whether registers of so many bytes lie in the BAR. */
static bool is_in_bar(const struct virtio_key *known, uint64_t offset)
{
    return offset + sizeof(uint16_t) <= known->bar_bytes && offset % sizeof(uint16_t) == 0;
}

/* The first pair's and the last one's. */
static bool are_others_in_bar(const struct virtio_key *known)
{
    uint64_t before = (uint64_t)known->pair * known->pair_offset_bytes;
    uint64_t behind = (uint64_t)known->pair_count * known->pair_offset_bytes;

    return known->pair_count <= 1 ||
           (known->pair < known->pair_count && before <= known->rx_offset &&
            is_in_bar(known, known->rx_offset - before + behind - known->pair_offset_bytes));
}

bool virtio_key_read(const struct nic_queue_key *key, uint64_t features, struct virtio_key *known)
{
    uint64_t sizes = key->words[KEY_SIZES];

    *known = (struct virtio_key){
        .bar_paddr = key->words[KEY_BAR] & ~(PAGE_BYTES - UINT64_C(1)),
        .bar_bytes = UINT64_C(1) << FIELD_GET(KEY_BAR_LOG, key->words[KEY_BAR]),
        .features = key->words[KEY_FEATURES],
        .rx_offset = (uint32_t)key->words[KEY_NOTIFY],
        .tx_offset = (uint32_t)(key->words[KEY_NOTIFY] >> 32),
        .rx_size = (unsigned)FIELD_GET(KEY_SIZE_RX, sizes),
        .tx_size = (unsigned)FIELD_GET(KEY_SIZE_TX, sizes),
        .has_interrupt = (sizes & KEY_INTERRUPT) != 0,
        .pair = (unsigned)FIELD_GET(KEY_PAIR, sizes),
        .starter = (unsigned)FIELD_GET(KEY_STARTER, sizes),
        .pair_count = (unsigned)FIELD_GET(KEY_PAIR_COUNT, sizes),
        .pair_offset_bytes = 2 * (uint32_t)FIELD_GET(KEY_PAIR_OFFSET, sizes),
    };
    return key->queue_index < NIC_QUEUE_MAX && (known->features & ~features) == 0 &&
           ((known->rx_size == 0 && known->tx_size == 0) ||
            (virtio_ring_is_size(known->rx_size) && virtio_ring_is_size(known->tx_size))) &&
           is_in_bar(known, known->rx_offset) && is_in_bar(known, known->tx_offset) &&
           are_others_in_bar(known);
}

/* --- What its node reports --- */

#define REPORT_RX       0 /* address of the receive ring, and in the lowest bits its size */
#define REPORT_TX       1
#define REPORT_SIZE_LOG BITS(11, 0)

void virtio_report_write(struct nic_queue_report *report, const struct virtio_queue_rings *rings)
{
    ASSERT(rings->rx_bus_addr % PAGE_BYTES == 0 && rings->tx_bus_addr % PAGE_BYTES == 0);
    report->words[REPORT_RX] = rings->rx_bus_addr | (unsigned)__builtin_ctz(rings->rx_size);
    report->words[REPORT_TX] = rings->tx_bus_addr | (unsigned)__builtin_ctz(rings->tx_size);
}

/* A ring is one range of its node's memory. */
static bool read_ring(uint64_t word, const struct node_place *place, unsigned size_max,
                      bus_addr_t *bus_addr, uint16_t *size)
{
    unsigned size_log = (unsigned)FIELD_GET(REPORT_SIZE_LOG, word);
    unsigned range_count = place->range_count;

    if (size_log > 15 || !virtio_ring_is_size(1u << size_log) || 1u << size_log > size_max) {
        return false;
    }
    *size = (uint16_t)(1u << size_log);
    *bus_addr = word & ~(uint64_t)(PAGE_BYTES - 1);
    return memory_ranges_hold(place->ranges,
                              range_count < NODE_RANGE_MAX ? range_count : NODE_RANGE_MAX,
                              *bus_addr, virtio_ring_bytes(*size));
}

bool virtio_report_read(const struct nic_queue_report *report, node_id_t node, unsigned rx_size_max,
                        unsigned tx_size_max, struct virtio_queue_rings *rings)
{
    const struct node_place *place = &node_info.places[node];

    ASSERT(node < node_info.node_count);
    return read_ring(report->words[REPORT_RX], place, rx_size_max, &rings->rx_bus_addr,
                     &rings->rx_size) &&
           read_ring(report->words[REPORT_TX], place, tx_size_max, &rings->tx_bus_addr,
                     &rings->tx_size);
}
