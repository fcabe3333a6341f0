/* SPDX-License-Identifier: MIT */
/*
 * How long requests take, as each web server publishes it on its node's status page: all since its
 * start, and those of the last minute in a ring of short slots, so that any node can add up
 * everybody's last minute without asking. A request takes from the start of the round of the
 * event loop that has read the whole of it to the round's end, when its answer leaves; waiting for
 * a slow client is no part of it.
 *
 * Only on Talus: elsewhere nobody would read it.
 */
#pragma once

#include "kernel/base.h"
#include "kernel/message/counters.h"

/* Bucket i counts what took at most DURATION_BOUND_NS(i) and more than the bound before; the last
 * one all that is left. */
#define DURATION_BUCKETS     20u
#define DURATION_BOUND_NS(i) (UINT64_C(1024) << (i))

/* Slots are numbered by the time, which is the same on all nodes. Together they are a minute, and
 * the slot that is being filled. */
#define DURATION_SLOTS   16u
#define DURATION_SLOT_NS (4 * NS_PER_S)

/* Without names in a table of counters: metrics.c shows them as one histogram. */
enum {
    COUNTER_DURATIONS = COUNTER_BLOCK(8), /* by bucket */
    COUNTER_DURATIONS_SUM_NS = COUNTER_DURATIONS + DURATION_BUCKETS,
    COUNTER_DURATIONS_NEWEST,                         /* the slot that was last counted in */
    COUNTER_DURATIONS_RECENT = COUNTER_BLOCKS(9, 16), /* slot s at s % DURATION_SLOTS, by bucket */
};

_Static_assert(COUNTER_DURATIONS_NEWEST < COUNTER_DURATIONS_RECENT, "they are apart");
_Static_assert(DURATION_SLOTS *DURATION_BUCKETS <= 8 * COUNTER_BLOCK_SIZE, "the blocks suffice");

struct durations {
    uint64_t counts[DURATION_BUCKETS];
};

/* `count` requests have taken so long, until now. Some twenty instructions, once a round. */
void durations_note(uint64_t count, uint64_t duration_ns, uint64_t now_ns);

/* Add what a node has counted since its start; in one slot, which is nothing if it lies further
 * back than the ring; in the last minute until now. What it says is input: any numbers. */
void durations_add_all(struct durations *durations, node_id_t node);
void durations_add_slot(struct durations *durations, node_id_t node, uint64_t slot);
void durations_add_minute(struct durations *durations, node_id_t node, uint64_t now_ns);

/* How much time the last minute has: less after the start, and up to a slot more. */
uint64_t durations_minute_ns(uint64_t now_ns);

uint64_t durations_count(const struct durations *durations);
/* What so many of a thousand took at most, by a line through the bucket that it falls into; 0 when
 * there is none. The last bucket has no end: its beginning then. */
uint64_t durations_quantile_ns(const struct durations *durations, unsigned permille);
