/* SPDX-License-Identifier: MIT */
/*
 * The binary heap. Index 0 is unused, so that it can mean "in no heap" and children are 2 i and
 * 2 i + 1.
 */
#include "libc/core/heap.h"

#include <errno.h>

#include "libc/core/assert.h"
#include "libc/core/memory.h"

/* Room at first: chosen, one page of pointers less its first. */
#define FIRST_CAPACITY (MEMORY_PAGE_BYTES / sizeof(struct heap_entry *))

MEMORY_KIND(places_kind, "heap_places");

static void place(struct heap *heap, struct heap_entry *entry, uint32_t index)
{
    CORE_ASSERT_SLOW(index >= 1 && index <= heap->count && heap->count < heap->capacity);
    heap->entries[index] = entry;
    entry->index = index;
}

/* For assertions: the entry is where it says, no less than its parent, no more than its
 * children. */
static bool is_in_order(const struct heap *heap, uint32_t index)
{
    struct heap_entry *const *entries = heap->entries;
    uint64_t key = entries[index]->key;
    uint32_t child = 2 * index;

    return entries[index]->index == index && (index == 1 || entries[index / 2]->key <= key) &&
           (child > heap->count || entries[child]->key >= key) &&
           (child + 1 > heap->count || entries[child + 1]->key >= key);
}

/* The slot at `index` is free: find the place of `entry` on the way to the root. */
static void sift_up(struct heap *heap, struct heap_entry *entry, uint32_t index)
{
    while (index > 1 && entry->key < heap->entries[index / 2]->key) {
        place(heap, heap->entries[index / 2], index);
        index /= 2;
    }
    place(heap, entry, index);
}

/* The same on the way to the leaves. */
static void sift_down(struct heap *heap, struct heap_entry *entry, uint32_t index)
{
    struct heap_entry *const *entries = heap->entries;

    for (uint32_t child = 2 * index; child <= heap->count; child = 2 * index) {
        if (child < heap->count && entries[child + 1]->key < entries[child]->key) {
            child++;
        }
        if (entry->key <= entries[child]->key) {
            break;
        }
        place(heap, entries[child], index);
        index = child;
    }
    place(heap, entry, index);
}

static void sift(struct heap *heap, struct heap_entry *entry, uint32_t index)
{
    if (index > 1 && entry->key < heap->entries[index / 2]->key) {
        sift_up(heap, entry, index);
    } else {
        sift_down(heap, entry, index);
    }
    CORE_ASSERT_SLOW(is_in_order(heap, entry->index));
}

static int grow(struct heap *heap)
{
    uint32_t capacity = heap->capacity == 0 ? FIRST_CAPACITY : 2 * heap->capacity;
    struct heap_entry **grown =
        memory_resize(&places_kind, heap->entries, capacity * sizeof(*grown));

    if (grown == NULL) {
        return -ENOMEM;
    }
    CORE_ASSERT(capacity > heap->count + 1);
    heap->entries = grown;
    heap->capacity = capacity;
    return 0;
}

int heap_reserve(struct heap *heap)
{
    if (heap->place_count + 1 >= heap->capacity && grow(heap) != 0) {
        return -ENOMEM;
    }
    heap->place_count++;
    return 0;
}

void heap_put(struct heap *heap, struct heap_entry *entry, uint64_t key)
{
    entry->key = key;
    if (heap_has(entry)) {
        CORE_ASSERT_SLOW(heap->entries[entry->index] == entry);
        sift(heap, entry, entry->index);
        return;
    }
    CORE_ASSERT_SLOW(heap->count < heap->place_count && heap->place_count < heap->capacity);
    heap->count++;
    sift_up(heap, entry, heap->count);
    CORE_ASSERT_SLOW(is_in_order(heap, entry->index));
}

void heap_remove(struct heap *heap, struct heap_entry *entry)
{
    uint32_t index = entry->index;

    CORE_ASSERT_SLOW(index >= 1 && index <= heap->count && heap->entries[index] == entry);
    struct heap_entry *last = heap->entries[heap->count];

    entry->index = 0;
    heap->count--;
    if (last != entry) {
        sift(heap, last, index);
    }
}
