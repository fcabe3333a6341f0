/* SPDX-License-Identifier: MIT */
/*
 * Where half_open.c keeps its entries: in the table of flows (net/transport/flows.h), counted by
 * remote address, and in queues by what is due.
 */
#pragma once

#include "kernel/base.h"
#include "kernel/platform.h"
#include "net/messages.h"
#include "net/transport/flows.h"
#include "net/transport/tcp/handshake.h"

/* By how often the SYN-ACK has been sent because its time had come: once, twice, three times. */
#define HALF_OPEN_QUEUE_COUNT 3u

/* Of a place: none. */
#define HALF_OPEN_NONE UINT16_MAX

struct half_open {
    struct handshake handshake; /* half_open.c's, but for `queue` */
    uint32_t answered_tick;     /* its last answer to what came, in units of 2^20 ns */
    /* half_open_table.c's: in the queue; `next` links those that are not in use, too. That is
     * handshake.queue, or HALF_OPEN_QUEUE_COUNT: not in use. In each, by handshake.opened_ns. */
    uint16_t next, previous;
};

_Static_assert(sizeof(struct half_open) == 64, "an entry is a line of the cache");

static inline struct half_open *half_open_of(struct flow_entry *entry)
{
    ASSERT_SLOW(entry->state == FLOW_HALF_OPEN);
    return CONTAINER_OF(entry, struct half_open, handshake.entry);
}

/* Takes its memory for good: panics without. */
void half_open_table_initialise(void);
/* NULL: the flow has none. */
struct half_open *half_open_table_find(const struct flow *flow);
/* One more, of a flow that is in the table of flows not at all, last in the first queue: `flow` and
 * `opened_ns` are filled in, the rest is as it was left. `flow_hash`: flow_hash() of the flow.
 * NULL: all are in use, or its remote address has as many as it may. */
struct half_open *half_open_table_add(const struct flow *flow, uint32_t flow_hash,
                                      uint64_t opened_ns);
void half_open_table_remove(struct half_open *entry);
/* The same of one that has left its place in the table of flows to a connection. */
void half_open_table_forget(struct half_open *entry);
/* The first in this queue; NULL: it is empty. */
struct half_open *half_open_table_first(unsigned queue);
/* To the end of this queue: opened no earlier than any there. */
void half_open_table_move(struct half_open *entry, unsigned queue);

uint32_t half_open_table_count(void);
/* How many this remote address has, or a few more: two addresses in four million are taken for one
 * another. */
unsigned half_open_table_count_of(uint32_t remote_address);
/* For walks: by place, 0 .. HALF_OPEN_MAX - 1. NULL: not in use. */
struct half_open *half_open_table_at(unsigned place);
