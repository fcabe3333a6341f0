/* SPDX-License-Identifier: MIT */
/*
 * Messages between nodes, and the processor time that they and connections cost.
 */
#pragma once

#include "kernel/base.h"
#include "tests/sim/events.h"

struct simulation;
struct letter;

struct network {
    uint64_t *busy_until_ns; /* each node's processor */
    struct letter *letters;  /* messages on their way that cost something */
    uint32_t letter_count, capacity, first_free;
};

void network_start(struct simulation *simulation);
void network_release(struct network *network);

/* Let it happen on node `to` when a message from `from` has come and that node's processor has got
 * to it. Between two nodes messages keep their order. On the same node it happens at once, after
 * what is happening now. */
void network_send(struct simulation *simulation, node_id_t from, node_id_t to,
                  event_function happen, uint32_t subject, uint64_t detail);
/* The same for what costs their processors nothing to speak of. */
void network_post(struct simulation *simulation, node_id_t from, node_id_t to,
                  event_function happen, uint32_t subject);
/* Something comes to `node` from outside, which costs its processor so much. */
void network_receive(struct simulation *simulation, node_id_t node, uint64_t cost_ns,
                     event_function happen, uint32_t subject);
