/* SPDX-License-Identifier: MIT */
/*
 * What this node's frames go out through: a link server with a queue, its own if there is one, and
 * what the card can do.
 */
#pragma once

#include "kernel/base.h"
#include "libc/core/node_set.h"

struct configuration;

void card_initialise(const struct configuration *configuration);

/* Only the link servers in `queues` have a queue (struct nic_ready). Long segments are made only if
 * the NIC can cut them. May be called again. */
void card_set(struct node_set queues, bool can_segment_tcp);
/* Send through the node's own link server if it has a queue, else through one of those that have
 * and live: again when a node has died. */
void card_choose_link_server(void);

/* Which one that is. */
node_id_t card_link_server(void);
/* The longest segment that the card cuts, headers left out; 0: it cuts none. */
uint16_t card_segment_max_bytes(void);
