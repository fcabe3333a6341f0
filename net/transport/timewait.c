/* SPDX-License-Identifier: MIT */
/*
 * The TIME_WAIT table: a ring in order of arrival, which is also the order of expiry, and chains
 * of ring positions by hash. Expired entries are dropped when they are met or when the ring needs
 * their place: nothing ticks.
 */
#include "net/transport/timewait.h"

#include "kernel/platform.h"
#include "libc/core/memory.h"
#include "net/headers.h"
#include "net/transport/hash.h"

#define BUCKETS     TIMEWAIT_MAX
#define NO_ENTRY    0xFFFFu
/* A peer that keeps sending into a closed connection gets so many answers. */
#define ANSWERS_MAX 8

#define TCP_FLAG_RST 0x04

struct entry {
    struct flow flow;
    struct timewait_numbers numbers;
    uint64_t expires_ns;
    uint16_t next; /* in the bucket's chain */
    bool is_used;
    uint8_t answer_count;
};

struct table {
    struct entry entries[TIMEWAIT_MAX];
    uint16_t buckets[BUCKETS];
};

_Static_assert(IS_POWER_OF_TWO(TIMEWAIT_MAX) && TIMEWAIT_MAX < NO_ENTRY,
               "positions are masked, and 16 bits name them all");
_Static_assert(sizeof(struct entry) == 40, "as the header says");

MEMORY_KIND(table_kind, "tcp_timewait");
static struct table *table;
static uint32_t oldest, newest; /* free-running: entries oldest .. newest - 1, some unused */
static uint32_t used_count;

void timewait_initialise(void)
{
    if (table == NULL) {
        table =
            memory_allocate(&table_kind, sizeof(*table)); /* an entry is written when it is added */
        ASSERT(table != NULL);
    }
    for (uint32_t i = 0; i < BUCKETS; i++) {
        table->buckets[i] = NO_ENTRY;
    }
    oldest = newest = 0;
    used_count = 0;
}

static uint16_t *bucket_of(const struct flow *flow)
{
    return &table->buckets[flow_hash(flow) & (BUCKETS - 1)];
}

static void remove_entry(uint32_t position)
{
    struct entry *entry = &table->entries[position];
    uint16_t *link = bucket_of(&entry->flow);

    ASSERT_SLOW(position < TIMEWAIT_MAX && entry->is_used);
    while (*link != position) {
        ASSERT_SLOW(*link != NO_ENTRY);
        link = &table->entries[*link].next;
    }
    *link = entry->next;
    entry->is_used = false;
    ASSERT_SLOW(used_count > 0);
    used_count--;
}

/* Drop from the old end what is unused or expired, and one if all are in use. */
static void make_room(uint64_t now_ns, unsigned most)
{
    for (unsigned i = 0; i < most && oldest != newest; i++) {
        uint32_t position = oldest & (TIMEWAIT_MAX - 1);
        struct entry *entry = &table->entries[position];

        if (entry->is_used) {
            if (entry->expires_ns > now_ns && newest - oldest < TIMEWAIT_MAX) {
                return;
            }
            remove_entry(position);
        }
        oldest++;
    }
}

uint32_t timewait_expire(uint64_t now_ns)
{
    make_room(now_ns, 64);
    return used_count;
}

void timewait_add(const struct flow *flow, struct timewait_numbers numbers, uint64_t now_ns)
{
    uint16_t *bucket = bucket_of(flow);
    uint32_t position;

    make_room(now_ns, 4);
    ASSERT_SLOW(newest - oldest < TIMEWAIT_MAX);
    position = newest++ & (TIMEWAIT_MAX - 1);
    table->entries[position] = (struct entry){
        .flow = *flow,
        .numbers = numbers,
        .expires_ns = now_ns + TIMEWAIT_LIFETIME_NS,
        .next = *bucket,
        .is_used = true,
    };
    *bucket = (uint16_t)position;
    used_count++;
}

static uint32_t find(const struct flow *flow)
{
    uint32_t position = *bucket_of(flow);

    ASSERT_SLOW(position == NO_ENTRY || table->entries[position].is_used);
    while (position != NO_ENTRY && !flow_equals(&table->entries[position].flow, flow)) {
        position = table->entries[position].next;
    }
    return position;
}

enum timewait_verdict timewait_judge(const struct flow *flow,
                                     const struct timewait_segment *segment, uint64_t now_ns,
                                     struct timewait_numbers *numbers)
{
    uint32_t position = find(flow);
    struct entry *entry;

    if (position == NO_ENTRY) {
        return TIMEWAIT_UNKNOWN;
    }
    entry = &table->entries[position];
    *numbers = entry->numbers;
    if (entry->expires_ns <= now_ns) {
        remove_entry(position);
        return TIMEWAIT_UNKNOWN;
    }
    if ((segment->tcp_flags & TCP_FLAG_RST) != 0) {
        /* A client sends one when its SYN was answered by our old ACK: its next SYN is welcome. */
        if (segment->sequence == numbers->receive_next) {
            remove_entry(position);
        }
        return TIMEWAIT_IGNORE;
    }
    if ((segment->tcp_flags & (TCP_FLAG_SYN | TCP_FLAG_ACK)) == TCP_FLAG_SYN &&
        (int32_t)(segment->sequence - numbers->receive_next) > 0) {
        remove_entry(position);
        return TIMEWAIT_REOPEN;
    }
    if (segment->length == 0 || entry->answer_count == ANSWERS_MAX) {
        return TIMEWAIT_IGNORE;
    }
    entry->answer_count++;
    return TIMEWAIT_ANSWER;
}
