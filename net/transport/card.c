/* SPDX-License-Identifier: MIT */
/*
 * What frames go out through: see card.h.
 */
#include "net/transport/card.h"

#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "libc/core/ablation.h"
#include "net/configuration.h"

/* Long segments: with its headers one must be shorter than 64 KiB. */
#define SEGMENT_MAX_BYTES 65000u

static node_id_t self, link_server;
static struct node_set queues; /* NIC_READY's: numbers of LSs that have one */

static uint16_t segment_max_bytes;

node_id_t card_link_server(void)
{
    return link_server;
}

uint16_t card_segment_max_bytes(void)
{
    return segment_max_bytes;
}

void card_choose_link_server(void)
{
    const struct configuration *configuration = configuration_current();
    node_id_t own = configuration_own_ls(configuration, self);
    unsigned first = 0;

    while (first < configuration->ls_count && configuration->ls[first] != own) {
        first++;
    }
    link_server = own;
    for (unsigned i = 0; i < configuration->ls_count; i++) {
        unsigned index = (first + i) % configuration->ls_count;
        node_id_t node = configuration->ls[index];

        if (node_set_has(&queues, index) && !configuration_is_dead(configuration, node)) {
            link_server = node;
            return;
        }
    }
}

void card_set(struct node_set new_queues, bool can_segment_tcp)
{
    queues = new_queues;
    card_choose_link_server();
    segment_max_bytes = can_segment_tcp && !WITHOUT(CUTTING_BY_CARD) ? SEGMENT_MAX_BYTES : 0;
}

void card_initialise(const struct configuration *configuration)
{
    self = platform_node();
    link_server = configuration_own_ls(configuration, self);
}
