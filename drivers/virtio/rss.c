/* SPDX-License-Identifier: MIT */
/*
 * Receive side scaling (VIRTIO 5.1.6.5.7) by groups of flows. The card looks the low 7 bits of
 * Toeplitz's hash up in a table. Each bit of the addresses and ports that is 1 adds 32 bits of the
 * key to the hash, those from its own place on; so a key that is nearly all zeros leaves a hash of
 * a few port bits alone, of which it makes any linear function that one likes:
 *
 *   bit 104    hash bit h is bit 6 - h of the source port: its low 7 bits, reversed
 *   bit 99     hash bit h is bit 11 - h: those from the fifth on, likewise
 *   120, 115   the same two of the destination port, which stands 16 bits later
 *
 * Both of a pair together are nic_fold(), with its bits reversed. Addresses, and so everything but
 * ports, meet zeros: the hash of two flows of one group is the same, and each of the 128 groups has
 * a place in the table. Frames without ports of TCP have no hash and go to one pair: ARP, UDP,
 * ICMP, fragments, and all of IPv6, which no node takes by its flow.
 *
 * Without RSS the device chooses pairs by itself, and goes by what is sent: mostly to the pair by
 * which the flow's last frame has left.
 */
#include <errno.h>

#include "drivers/virtio/card.h"
#include "kernel/log.h"

static bool has_rss_fields(const struct virtio_device *device)
{
    return virtio_has(device, VIRTIO_NET_F_RSS) && device->has_rss_fields &&
           virtio_config_read8(device, CONFIG_RSS_KEY_BYTES) >= RSS_KEY_BYTES &&
           virtio_config_read16(device, CONFIG_RSS_TABLE_LENGTH) >= RSS_TABLE_LENGTH &&
           (virtio_config_read32(device, CONFIG_RSS_HASH_TYPES) & HASH_TYPE_TCP4) != 0;
}

void virtio_rss_describe(struct virtio_card *card, struct nic_grouping grouping)
{
    card->rss = (struct virtio_rss){
        .is_possible = grouping.is_folded && card->pair_count > 1 && !card->has_dropped_rss &&
                       has_rss_fields(&card->device),
        .has_both_ports = grouping.destination_port_bits != 0,
    };
    card->nic.group_count = card->rss.is_possible ? NIC_FOLDED_COUNT : 0;
}

static void set_key_bit(uint8_t key[RSS_KEY_BYTES], unsigned bit)
{
    key[bit / 8] |= (uint8_t)(0x80u >> bit % 8);
}

/* Behind 64 bits of addresses. */
static void make_key(uint8_t key[RSS_KEY_BYTES], bool has_both_ports)
{
    set_key_bit(key, 104);
    set_key_bit(key, 99);
    if (has_both_ports) {
        set_key_bit(key, 120);
        set_key_bit(key, 115);
    }
}

static unsigned reversed(unsigned group)
{
    unsigned result = 0;

    for (unsigned bit = 0; bit < NIC_FOLDED_BITS; bit++) {
        result |= (group >> bit & 1) << (NIC_FOLDED_BITS - 1 - bit);
    }
    return result;
}

_Static_assert(RSS_TABLE_LENGTH == NIC_FOLDED_COUNT, "a place for each group");

static int send_config(struct virtio_card *card)
{
    struct virtio_rss_config config = {
        .hash_types = HASH_TYPE_TCP4,
        .table_mask = RSS_TABLE_LENGTH - 1,
        .unclassified_pair = card->rss.unclassified_pair,
        .tx_pair_count = (uint16_t)card->pair_count,
        .key_bytes = RSS_KEY_BYTES,
    };

    for (unsigned group = 0; group < NIC_FOLDED_COUNT; group++) {
        ASSERT(card->rss.pairs[group] < card->pair_count);
        config.table[reversed(group)] = card->rss.pairs[group];
    }
    make_key(config.key, card->rss.has_both_ports);
    return virtio_command(&card->control, COMMAND_QUEUE_PAIRS, QUEUE_PAIRS_RSS, &config,
                          RSS_CONFIG_BYTES);
}

/* Let the device choose among all pairs. */
static void set_pairs(struct virtio_card *card)
{
    uint16_t count = (uint16_t)card->pair_count;

    if (count > 1 && virtio_has(&card->device, VIRTIO_NET_F_MQ) &&
        virtio_command(&card->control, COMMAND_QUEUE_PAIRS, QUEUE_PAIRS_SET, &count,
                       sizeof(count)) != 0) {
        log_warning("virtio", "the card uses one pair only");
    }
}

/* A table that the device did not take, or does not follow. PAIRS_SET ends RSS. */
static int give_up(struct virtio_card *card)
{
    log_warning("virtio", "the card does not steer: frames are forwarded in software");
    card->rss.is_possible = false;
    card->nic.group_count = 0;
    set_pairs(card);
    return -EIO;
}

void virtio_rss_start(struct virtio_card *card)
{
    unsigned own = virtio_pair_of(card, card->own_index);

    if (!card->rss.is_possible) {
        set_pairs(card);
        return;
    }
    card->rss.unclassified_pair = (uint16_t)own;
    for (unsigned group = 0; group < NIC_FOLDED_COUNT; group++) {
        card->rss.pairs[group] = (uint16_t)own;
    }
    if (send_config(card) != 0) {
        (void)give_up(card); /* logged */
    }
}

int virtio_rss_steer(struct virtio_card *card, const uint8_t *queues, unsigned others)
{
    if (!card->rss.is_possible) {
        return -EIO;
    }
    for (unsigned group = 0; group < NIC_FOLDED_COUNT; group++) {
        card->rss.pairs[group] = (uint16_t)virtio_pair_of(card, queues[group]);
    }
    card->rss.unclassified_pair = (uint16_t)virtio_pair_of(card, others);
    if (send_config(card) == 0) {
        return 0;
    }
    /* The card may have been reset meanwhile, and is started anew then. */
    return card->is_running ? give_up(card) : -EIO;
}

void virtio_rss_drop(struct virtio_card *card)
{
    card->has_dropped_rss = true;
    (void)give_up(card); /* logged */
}

void virtio_rss_leave_out(struct virtio_card *card, unsigned pair)
{
    uint16_t own = (uint16_t)virtio_pair_of(card, card->own_index);
    bool is_in = card->rss.unclassified_pair == pair;

    for (unsigned group = 0; group < NIC_FOLDED_COUNT; group++) {
        if (card->rss.pairs[group] == pair) {
            card->rss.pairs[group] = own;
            is_in = true;
        }
    }
    if (card->rss.unclassified_pair == pair) {
        card->rss.unclassified_pair = own;
    }
    if (is_in && card->rss.is_possible && send_config(card) != 0) {
        (void)give_up(card); /* logged */
    }
}
