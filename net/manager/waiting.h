/* SPDX-License-Identifier: MIT */
/*
 * Queues of connections that have completed TCP's handshake and wait for an acceptor. All queues
 * of a CM share one pool of entries.
 */
#pragma once

#include "kernel/base.h"

#define WAITING_MAX 2048

/* Named as in net/messages.h. A connection that ends while it waits stays here: its TS says so
 * when it is reassigned. */
struct waiting_connection {
    node_id_t ts;
    uint32_t connection_index;
    uint32_t generation;
};

/* Zeroed: empty. */
struct waiting_queue {
    uint16_t first, last; /* waiting.c's own; meaningless when the count is 0 */
    uint32_t count;
};

struct waiting_entry {
    struct waiting_connection connection;
    uint16_t next;
};

/* The pool. Zeroed: all free. waiting.c alone writes it. */
struct waiting_pool {
    struct waiting_entry entries[WAITING_MAX];
    uint16_t fresh;      /* entries from here on were never used */
    uint16_t first_free; /* among those that were; meaningless when free_count is 0 */
    uint16_t free_count;
};

/* At the end. Returns 0, or -ENOMEM when the pool is used up. */
MUST_CHECK int waiting_add(struct waiting_pool *pool, struct waiting_queue *queue,
                           const struct waiting_connection *connection);
/* The one that has waited longest; false when there is none. */
bool waiting_take(struct waiting_pool *pool, struct waiting_queue *queue,
                  struct waiting_connection *connection);
/* Forget the connections of one TS. */
void waiting_remove_ts(struct waiting_pool *pool, struct waiting_queue *queue, node_id_t ts);
