/* SPDX-License-Identifier: MIT */
/*
 * The card that this node drives: its queue pairs, and how it shares out frames among them. Only
 * driver.c, pairs.c and rss.c know what is in it.
 */
#pragma once

#include "drivers/nic/nic.h"
#include "drivers/pci/pci.h"
#include "drivers/virtio/virtio.h"

/* Where a device is: one of both. */
struct virtio_place {
    const struct pci_card *pci; /* first: as drivers/pci/port.h fills in a port */
    const struct virtio_slot *slot;
};

struct virtio_pair {
    struct virtio_queue_place rx_place, tx_place;
    unsigned entry; /* of MSI-X, or VECTOR_NONE: that its own node gets */
    bool is_given;  /* its node serves it, from these rings; else this node does, or nobody */
    struct virtio_queue_rings rings;
    struct virtio_stand_in *stand_in; /* NULL until one is first needed */
    bool is_stood_in;
};

/* How frames get to pairs. */
struct virtio_rss {
    bool is_possible; /* the card can, and was asked to */
    bool has_both_ports;
    uint16_t unclassified_pair;
    uint16_t pairs[RSS_TABLE_LENGTH]; /* by group */
};

struct virtio_card {
    struct nic nic;
    struct virtio_device device;
    /* Pairs that it has, and that are used: all but those beyond what queues there can be. */
    unsigned pair_count_max, pair_count;
    struct virtio_pair pairs[NIC_QUEUE_MAX];
    node_id_t nodes[NIC_QUEUE_MAX]; /* of each queue */
    unsigned node_count, own_index; /* the queue of this node */
    uint32_t pair_offset_bytes;     /* between registers to notify by; 0: it differs */
    struct virtio_rss rss;
    bool has_dropped_rss; /* once and for all */
    struct virtio_control control;
    void *notify_registers;
    bool is_running; /* from DRIVER_OK to a reset */
    bool is_broken;  /* and that has been said */
    struct virtio_place place;
    struct virtio_line line; /* in a slot */
};

/* --- Pairs (pairs.c) --- */

#define PAIR_NONE UINT32_MAX

/* The pair of a link server's queue: that of its number. When there are fewer than the number of
 * the node that drives the card, that one takes the first in place of its owner. PAIR_NONE: there
 * is none for that queue. */
unsigned virtio_pair_of(const struct virtio_card *card, unsigned index);

/* Find out which there are, with rings of what sizes. 0 or -ENODEV (logged). */
MUST_CHECK int virtio_pairs_describe(struct virtio_card *card);
/* Interrupts of each, to its node's core, and the configuration's. */
void virtio_pairs_interrupts(struct virtio_card *card, const struct pci_msix *msix);
struct virtio_notifier virtio_notifier_of(const struct virtio_card *card,
                                          const struct virtio_queue_place *place);

/* Before the device runs: give it all pairs, those that their nodes have not given from this node's
 * memory. 0; -ENOMEM, -ENODEV (logged). */
MUST_CHECK int virtio_pairs_start(struct virtio_card *card);
/* All receive queues are looked at. */
void virtio_pairs_notify(const struct virtio_card *card);

/* As nic_give_queue(). */
MUST_CHECK int virtio_pair_give(struct virtio_card *card, unsigned pair,
                                const struct virtio_queue_rings *rings);
/* A pair's node has died: the device reaches its memory no more. 0; -ENODEV when only a reset could
 * do that, which has been done. */
MUST_CHECK int virtio_pair_take_back(struct virtio_card *card, unsigned pair);

/* --- Which frames go to which pair (rss.c) --- */

/* Whether the card tells such groups apart: once features are agreed on. */
void virtio_rss_describe(struct virtio_card *card, struct nic_grouping grouping);
/* Once it runs: to this node's pair; or by pairs that the device chooses from. */
void virtio_rss_start(struct virtio_card *card);
/* As nic_steer_table(). */
MUST_CHECK int virtio_rss_steer(struct virtio_card *card, const uint8_t *queues, unsigned others);
/* As nic_drop_table(). */
void virtio_rss_drop(struct virtio_card *card);
/* What goes to that pair goes to this node's. */
void virtio_rss_leave_out(struct virtio_card *card, unsigned pair);

/* --- What it says of itself (link.c) --- */

/* As nic_check_link(). */
struct nic_link virtio_link_check(struct virtio_card *card);
/* As nic_note_announced(). */
void virtio_link_note_announced(struct virtio_card *card);

/* --- The card (driver.c) --- */

/* Reset: it moves nothing and reaches no memory. */
void virtio_card_switch_off(struct virtio_card *card);
/* As nic_queue_stop_other(), on any node that has opened a queue. */
MUST_CHECK int virtio_stop_other(unsigned index);
