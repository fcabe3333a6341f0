/* SPDX-License-Identifier: MIT */
/*
 * The histogram of requests' durations. A reader may see a slot while its owner begins it anew:
 * then it is a moment old in one half and new in the other, which a picture of a minute bears.
 */
#include "apps/httpd/durations.h"

#include "kernel/message/status.h"
#include "kernel/platform.h"

#define FIRST_BOUND_BITS 10

/* Numbers from another node's page: no sum of them may wrap. Chosen: 2^40 requests of a kind. */
#define COUNT_MAX (UINT64_C(1) << 40)

static uint64_t slot_end_ns; /* of the newest one; 0: none has begun */

static unsigned bucket_of(uint64_t duration_ns)
{
    uint64_t below = (duration_ns - (duration_ns != 0)) | (DURATION_BOUND_NS(0) - 1);
    unsigned bucket = 64 - FIRST_BOUND_BITS - (unsigned)__builtin_clzll(below);

    return bucket < DURATION_BUCKETS ? bucket : DURATION_BUCKETS - 1;
}

static unsigned recent_counter(uint64_t slot, unsigned bucket)
{
    return COUNTER_DURATIONS_RECENT + (unsigned)(slot % DURATION_SLOTS) * DURATION_BUCKETS + bucket;
}

/* Begin the slot of now; those in which nothing was counted are empty. */
static __attribute__((noinline)) void begin_slot(uint64_t now_ns)
{
    uint64_t now_slot = now_ns / DURATION_SLOT_NS;
    uint64_t first = status_own_page->counters[COUNTER_DURATIONS_NEWEST] + 1;

    if (slot_end_ns == 0 || now_slot - first >= DURATION_SLOTS) {
        first = now_slot + 1 - DURATION_SLOTS; /* may wrap: the remainder is right all the same */
    }
    for (uint64_t slot = first; slot != now_slot + 1; slot++) {
        for (unsigned i = 0; i < DURATION_BUCKETS; i++) {
            counter_set(recent_counter(slot, i), 0);
        }
    }
    counter_set(COUNTER_DURATIONS_NEWEST, now_slot);
    slot_end_ns = (now_slot + 1) * DURATION_SLOT_NS;
}

void durations_note(uint64_t count, uint64_t duration_ns, uint64_t now_ns)
{
    unsigned bucket = bucket_of(duration_ns);

    if (UNLIKELY(now_ns >= slot_end_ns)) {
        begin_slot(now_ns);
    }
    counter_add(COUNTER_DURATIONS + bucket, count);
    counter_add(COUNTER_DURATIONS_SUM_NS, count * duration_ns);
    counter_add(recent_counter(status_own_page->counters[COUNTER_DURATIONS_NEWEST], bucket), count);
}

static uint64_t read_count(node_id_t node, unsigned counter)
{
    uint64_t count = counter_read(node, counter);

    return count < COUNT_MAX ? count : COUNT_MAX;
}

void durations_add_all(struct durations *durations, node_id_t node)
{
    for (unsigned i = 0; i < DURATION_BUCKETS; i++) {
        durations->counts[i] += read_count(node, COUNTER_DURATIONS + i);
    }
}

void durations_add_slot(struct durations *durations, node_id_t node, uint64_t slot)
{
    uint64_t newest = counter_read(node, COUNTER_DURATIONS_NEWEST);

    if (slot > newest || newest - slot >= DURATION_SLOTS) {
        return;
    }
    for (unsigned i = 0; i < DURATION_BUCKETS; i++) {
        durations->counts[i] += read_count(node, recent_counter(slot, i));
    }
}

void durations_add_minute(struct durations *durations, node_id_t node, uint64_t now_ns)
{
    uint64_t now_slot = now_ns / DURATION_SLOT_NS;

    for (uint64_t back = 0; back < DURATION_SLOTS && back <= now_slot; back++) {
        durations_add_slot(durations, node, now_slot - back);
    }
}

uint64_t durations_minute_ns(uint64_t now_ns)
{
    uint64_t whole_ns = (DURATION_SLOTS - 1) * DURATION_SLOT_NS + now_ns % DURATION_SLOT_NS;

    return now_ns < whole_ns ? now_ns : whole_ns;
}

uint64_t durations_count(const struct durations *durations)
{
    uint64_t count = 0;

    for (unsigned i = 0; i < DURATION_BUCKETS; i++) {
        count += durations->counts[i];
    }
    return count;
}

uint64_t durations_quantile_ns(const struct durations *durations, unsigned permille)
{
    /* The rank of the one that is asked for, from 1. */
    uint64_t count = durations_count(durations);
    uint64_t rank = count / 1000 * permille + (count % 1000 * permille + 999) / 1000;
    uint64_t before = 0;

    rank = rank != 0 ? rank : 1;
    for (unsigned i = 0; i < DURATION_BUCKETS && count != 0; i++) {
        uint64_t here = durations->counts[i];
        uint64_t start_ns = i == 0 ? 0 : DURATION_BOUND_NS(i - 1);

        if (before + here < rank) {
            before += here;
        } else if (i == DURATION_BUCKETS - 1) {
            return start_ns;
        } else {
            /* In thousandths of the bucket, so that nothing wraps. */
            uint64_t share = (rank - before) * 1000 / here;
            return start_ns + (DURATION_BOUND_NS(i) - start_ns) * share / 1000;
        }
    }
    return 0;
}
