/* SPDX-License-Identifier: MIT */
/*
 * Where active.c keeps its entries: found by their flows, and by their names.
 */
#pragma once

#include "kernel/base.h"
#include "libc/core/pool.h"
#include "libc/core/timer.h"
#include "net/messages.h"

struct opening {
    struct pool_object place;
    struct flow flow;
    uint32_t iss;
    /* The application's, and its name for it. */
    uint32_t stream_index;
    node_id_t application;
    uint8_t syn_count; /* that have been sent */
    /* The peer's SYN has come, without an ACK: SYN-RECEIVED. Then, what it says. */
    bool has_peer_syn;
    bool has_scale, has_sack;
    uint8_t snd_scale;
    uint16_t mss;
    uint32_t irs;
    uint64_t opened_ns;
    struct timer timer;   /* active.c's; for the next SYN */
    struct opening *next; /* in its bucket */
    bool is_used;
};

void active_table_initialise(void);
/* NULL: the flow has none. */
struct opening *active_table_find(const struct flow *flow);
struct opening *active_table_find_named(node_id_t application, uint32_t stream_index);
/* One more, of a flow that has none; all but that is zero, or the timer. NULL without memory, or
 * when there are ACTIVE_MAX. */
struct opening *active_table_add(const struct flow *flow);
void active_table_remove(struct opening *opening);
uint32_t active_table_count(void);
/* Each of them; it may be removed meanwhile. */
void active_table_for_each(void (*visit)(struct opening *opening, void *context), void *context);
