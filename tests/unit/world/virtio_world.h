/* SPDX-License-Identifier: MIT */
/* The virtio card of fake_virtio.h with its driver, through drivers/nic/nic.h, for unit tests. */
#pragma once

#include "drivers/nic/nic.h"

extern struct nic_port port; /* it is found there */
extern struct nic *nic;      /* NULL until it is started */
extern struct nic_queue *queue;

/* A card with so many queue pairs, 0 for one that offers no more than one, found on a machine of as
 * many nodes. */
void virtio_world_reset(unsigned pair_count);

/* Start it, on node 0 of these, whose queue is the one of number `own`, and open that. */
void virtio_world_open(unsigned own, const node_id_t *nodes, unsigned count,
                       struct nic_grouping grouping);

/* A new card with one pair that offers this, and lets frames in. */
void virtio_world_start(uint64_t offered);

/* A test's end. */
int virtio_world_stop(void **state);
