/* SPDX-License-Identifier: MIT */
/*
 * The table of flows: of those that have a connection, or half a handshake. One look by a keyed
 * hash tells a segment's.
 */
#pragma once

#include "kernel/base.h"
#include "net/messages.h"

/* Of half a handshake's entry: its state, beyond those of connections. */
#define FLOW_HALF_OPEN UINT8_MAX

/* Part of what the flow has: a tcb, or an entry of half_open_table.h. What lies between the last
 * two fields is the owner's to use. */
struct flow_entry {
    struct flow flow;        /* while it is in the table it stays as it is */
    uint8_t state;           /* the owner's: enum tcb_state, or FLOW_HALF_OPEN */
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
