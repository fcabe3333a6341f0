/* SPDX-License-Identifier: MIT */
/*
 * A binary heap of entries that lie in what they stand for: the one with the least key is known,
 * and every other can be moved or taken out. Costs O(log n) at worst; an entry that is put late and
 * taken out before it is first, the common case of a timer, moves few others.
 */
#pragma once

#include "libc/core/base.h"

struct heap_entry {
    uint64_t key;
    uint32_t index; /* heap.c's own; 0 when it is in no heap */
};

/* All zero: empty. Its memory only grows. */
struct heap {
    struct heap_entry **entries; /* [1 .. count], the least first */
    uint32_t count;
    uint32_t capacity;    /* of `entries`, its unused first one included */
    uint32_t place_count; /* of the entries, those that are reserved */
};

/* Keep room for one entry more, in it or not, for ever. Returns 0 or -ENOMEM. */
MUST_CHECK int heap_reserve(struct heap *heap);
/* Put an entry in that has room reserved, or move one that is in. */
void heap_put(struct heap *heap, struct heap_entry *entry, uint64_t key);
/* Take out an entry that is in. */
void heap_remove(struct heap *heap, struct heap_entry *entry);

static inline bool heap_has(const struct heap_entry *entry)
{
    return entry->index != 0;
}

/* NULL when it is empty. */
static inline struct heap_entry *heap_first(const struct heap *heap)
{
    return heap->count > 0 ? heap->entries[1] : NULL;
}
