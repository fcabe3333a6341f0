/* SPDX-License-Identifier: MIT */
/*
 * Where half_open.c keeps its entries: found by a keyed hash of the flow, counted by remote
 * address, and in queues by what is due.
 */
#pragma once

#include "kernel/base.h"
#include "net/messages.h"

/* By how often the SYN-ACK has been sent because its time had come: once, twice, three times. */
#define HALF_OPEN_QUEUE_COUNT 3u

/* Of a place: none. */
#define HALF_OPEN_NONE UINT16_MAX

struct half_open {
    /* half_open.c's. */
    uint64_t opened_ns; /* when the SYN came */
    uint64_t due_ns;    /* when it leaves its queue; in each queue, in order */
    struct flow flow;
    uint32_t irs, iss;      /* the peer's initial sequence number, and ours */
    uint32_t answered_tick; /* the last answer to what came, in units of 2^20 ns */
    uint16_t mss;           /* what the peer takes in a segment: within its bounds */
    struct acceptor acceptor;
    uint8_t snd_scale;
    bool has_scale : 1;   /* and so have we: both or none */
    bool has_sack : 1;    /* likewise */
    bool is_repeated : 1; /* the SYN-ACK was sent more than once */
    bool is_acceptor_due; /* the CM in acceptor.assigned_by has been asked for one */
    /* half_open_table.c's. */
    uint8_t queue; /* HALF_OPEN_QUEUE_COUNT: not in use */
    uint16_t hash_next;
    uint16_t next, previous; /* in its queue; `next` links those that are not in use, too */
    uint16_t bucket;         /* where its chain begins */
};

_Static_assert(sizeof(struct half_open) == 64, "an entry is a line of the cache");

/* Takes its memory for good: panics without. */
void half_open_table_initialise(void);
/* `flow_hash`: flow_hash() of the flow, here and below. */
struct half_open *half_open_table_find(const struct flow *flow, uint32_t flow_hash);
/* One more, of a flow that has none, last in the first queue: `flow` and `due_ns` are filled in,
 * the rest is as it was left. NULL: all are in use, or its remote address has as many as it may. */
struct half_open *half_open_table_add(const struct flow *flow, uint32_t flow_hash, uint64_t due_ns);
void half_open_table_remove(struct half_open *entry);
/* The first in this queue; NULL: it is empty. */
struct half_open *half_open_table_first(unsigned queue);
/* To the end of this queue: due no earlier than any there. */
void half_open_table_move(struct half_open *entry, unsigned queue, uint64_t due_ns);

uint32_t half_open_table_count(void);
/* How many this remote address has, or a few more: two addresses in four million are taken for one
 * another. */
unsigned half_open_table_count_of(uint32_t remote_address);
/* For walks: by place, 0 .. HALF_OPEN_MAX - 1. NULL: not in use. */
struct half_open *half_open_table_at(unsigned place);
