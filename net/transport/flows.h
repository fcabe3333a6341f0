/* SPDX-License-Identifier: MIT */
/*
 * The table of flows: of those that have a connection, or half a handshake, or are forwarded. One
 * look by a keyed hash tells a segment's.
 */
#pragma once

#include "kernel/base.h"
#include "net/messages.h"

/* Of an entry that is no connection's: its state, beyond those of connections. Half a handshake,
 * and the two of a flow that is forwarded (forward/flow.h). */
#define FLOW_HALF_OPEN         UINT8_MAX
#define FLOW_FORWARDED_BACKEND (UINT8_MAX - 1)
#define FLOW_FORWARDED_CLIENT  (UINT8_MAX - 2)
/* From here on. */
#define FLOW_NO_CONNECTION     FLOW_FORWARDED_CLIENT

/* Part of what the flow has: a tcb, an entry of half_open_table.h, or a side of forward/flow.h.
 * What lies between the last two fields is the owner's to use. */
struct flow_entry {
    struct flow flow;        /* while it is in the table it stays as it is */
    uint8_t state;           /* the owner's: enum tcb_state, or FLOW_... */
    struct flow_entry *next; /* flows.c's: in the chain of its bucket */
};

/* As many as there can be are found as fast as a few. Panics without memory. */
void flows_initialise(uint32_t entry_limit);
/* `flow_hash`: flow_hash() of the flow, here and below. NULL: it is not in the table. */
struct flow_entry *flows_find(const struct flow *flow, uint32_t flow_hash);
/* Its flow is not in the table. */
void flows_add(struct flow_entry *entry, uint32_t flow_hash);
void flows_remove(struct flow_entry *entry);
/* The other one, of the same flow, leaves its place to this. */
void flows_replace(struct flow_entry *entry, struct flow_entry *by);
uint32_t flows_count(void);
/* Where the chain begins that such a flow is in: to have it fetched into the cache. */
struct flow_entry **flows_bucket(uint32_t flow_hash);
