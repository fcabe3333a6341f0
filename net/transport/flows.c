/* SPDX-License-Identifier: MIT */
/*
 * Linear hashing (Litwin 1980): a bucket for each entry that there has been at a time, so that few
 * of them lie in few lines of the cache. (With buckets for all that can be, half of the time that a
 * segment takes here went into fetching its bucket.) There is room for `bucket_limit`.
 */
#include "net/transport/flows.h"

#include <string.h>

#include "kernel/platform.h"
#include "libc/core/memory.h"
#include "net/transport/hash.h"

/* When there are as many entries as can be. Chosen: with two a fourth of them stand behind two
 * others, each of which is out of the cache then. */
#define ENTRIES_PER_BUCKET 1u
#define BUCKETS_LEAST      64u /* 512 bytes */

MEMORY_KIND(buckets_kind, "connection_buckets");

static struct flow_entry **buckets;
static uint32_t bucket_count, bucket_limit;
static uint32_t bucket_mask; /* the least power of two that is no smaller, less one */
static uint32_t count;

static inline struct flow_entry **bucket_of(uint32_t flow_hash)
{
    uint32_t index = flow_hash & bucket_mask;

    return &buckets[index < bucket_count ? index : index & bucket_mask >> 1];
}

struct flow_entry **flows_bucket(uint32_t flow_hash)
{
    return bucket_of(flow_hash);
}

/* One bucket more, with those that belong there from the one that they have shared. */
static __attribute__((noinline)) void add_bucket(void)
{
    if (bucket_count > bucket_mask) {
        bucket_mask = 2 * bucket_mask + 1;
    }
    struct flow_entry **added = &buckets[bucket_count];
    struct flow_entry **link = &buckets[bucket_count & bucket_mask >> 1];

    *added = NULL;
    bucket_count++;
    while (*link != NULL) {
        struct flow_entry *entry = *link;

        if (bucket_of(flow_hash(&entry->flow)) == added) {
            *link = entry->next;
            entry->next = *added;
            *added = entry;
        } else {
            link = &entry->next;
        }
    }
}

/* Inline: once for each segment. */
inline __attribute__((always_inline)) struct flow_entry *flows_find(const struct flow *flow,
                                                                    uint32_t flow_hash)
{
    struct flow_entry *entry = *bucket_of(flow_hash);

    while (entry != NULL && !flow_equals(&entry->flow, flow)) {
        entry = entry->next;
    }
    return entry;
}

/* Inline as what follows: once for each connection. */
inline void flows_add(struct flow_entry *entry, uint32_t flow_hash)
{
    struct flow_entry **bucket;

    ASSERT_SLOW(flows_find(&entry->flow, flow_hash) == NULL);
    if (UNLIKELY(++count > bucket_count) && bucket_count < bucket_limit) {
        add_bucket();
    }
    bucket = bucket_of(flow_hash);
    entry->next = *bucket;
    *bucket = entry;
}

static inline struct flow_entry **link_to(const struct flow_entry *entry)
{
    struct flow_entry **link = bucket_of(flow_hash(&entry->flow));

    while (*link != entry) {
        ASSERT_SLOW(*link != NULL);
        link = &(*link)->next;
    }
    return link;
}

inline void flows_remove(struct flow_entry *entry)
{
    ASSERT_SLOW(count > 0);
    *link_to(entry) = entry->next;
    count--;
}

inline void flows_replace(struct flow_entry *entry, struct flow_entry *by)
{
    ASSERT_SLOW(flow_equals(&entry->flow, &by->flow));
    by->next = entry->next;
    *link_to(entry) = by;
}

uint32_t flows_count(void)
{
    return count;
}

static size_t page_count(void)
{
    return bucket_limit * sizeof(*buckets) / PAGE_BYTES;
}

void flows_initialise(uint32_t entry_limit)
{
    if (buckets != NULL) {
        memory_release_pages(&buckets_kind, buckets, page_count());
    }
    bucket_limit = 1u << (31 - __builtin_clz(entry_limit / ENTRIES_PER_BUCKET));
    bucket_count = BUCKETS_LEAST;
    bucket_mask = BUCKETS_LEAST - 1;
    count = 0;
    flow_hash_initialise();
    buckets = memory_allocate_pages(&buckets_kind, page_count());
    ASSERT(buckets != NULL);
    memset(buckets, 0, BUCKETS_LEAST * sizeof(*buckets)); /* the others when they are added */
}
