/* SPDX-License-Identifier: MIT */
/*
 * The allocator of blocks: size classes over pages, which a source gives: on a node its own memory.
 * Every block can take DMA. Blocks are 16-byte aligned; those of 64 bytes and more start on a cache
 * line. A block costs O(1), but for what the source takes for a new chunk now and then.
 *
 * All memory is taken for something that has a name: a `struct memory_kind`, to which what is in
 * use and what could not be had are counted. Objects of one size that are taken often: pool.h.
 */
#pragma once

#include "libc/core/assert.h"
#include "libc/core/base.h"
#include "libc/core/linker_set.h"

#define MEMORY_PAGE_BYTES 4096u

/* --- What memory is for --- */

struct memory_counts {
    uint64_t objects, bytes; /* in use */
    uint64_t failures;       /* since the start: what could not be had */
};

struct memory_kind {
    const char *name;
    struct memory_counts *counts; /* its own, until they are published */
    struct memory_counts own_counts;
};
LINKER_SET_DECLARE(memory_kinds, struct memory_kind);

/* A kind of this file's. */
#define MEMORY_KIND(kind, text)                                                                    \
    static struct memory_kind kind = {.name = (text), .counts = &(kind).own_counts};               \
    LINKER_SET_ADD(memory_kinds, struct memory_kind, kind)

/* Count in `counts` from now on, each kind in its own, in the set's order. Returns how many kinds
 * there are; beyond `count_max` they stay where they are. */
unsigned memory_publish_counts(struct memory_counts *counts, unsigned count_max);

/*
 * For tests, in builds with slow checks: is asked before anything is allocated, and says whether
 * that shall fail. NULL: nothing does.
 */
extern bool (*memory_fault)(const struct memory_kind *kind);

static inline bool memory_is_refused(const struct memory_kind *kind)
{
    return HAS_SLOW_CHECKS && memory_fault != NULL && memory_fault(kind);
}

/* For who allocates by other means: count what he has got, of so many bytes, or that he has got
 * nothing. Whether he has. */
static inline bool memory_count_taken(const struct memory_kind *kind, const void *taken,
                                      size_t bytes)
{
    struct memory_counts *counts = kind->counts;

    if (UNLIKELY(taken == NULL)) {
        counts->failures++;
        return false;
    }
    counts->objects++;
    counts->bytes += bytes;
    return true;
}

static inline void memory_count_released(const struct memory_kind *kind, size_t bytes)
{
    struct memory_counts *counts = kind->counts;

    counts->objects--;
    counts->bytes -= bytes;
}

/* --- Memory --- */

struct memory_source {
    /* A run of pages whose start is aligned to MEMORY_PAGE_BYTES << align_order, or NULL. */
    void *(*allocate)(size_t page_count, unsigned align_order);
    void (*release)(void *pages, size_t page_count);
};
/* Before anything is allocated. */
void memory_set_source(const struct memory_source *source);

/* Not zeroed. NULL, and counted, when there is no memory. */
void *memory_allocate(const struct memory_kind *kind, size_t bytes);
void *memory_allocate_zeroed(const struct memory_kind *kind, size_t bytes);
/* Keeps the content up to the smaller size; on NULL the old block is untouched. */
void *memory_resize(const struct memory_kind *kind, void *block, size_t bytes);
/* Of the kind that it was allocated for. NULL is allowed. */
void memory_release(const struct memory_kind *kind, void *block);

/* Whole pages, not zeroed: most of what is taken so is large, and used little by little. */
void *memory_allocate_pages(const struct memory_kind *kind, size_t page_count);
void memory_release_pages(const struct memory_kind *kind, void *pages, size_t page_count);

/* A zeroed table in the place of an old one or NULL, for who cannot go on without. */
static inline void *memory_renew(const struct memory_kind *kind, void *old, size_t bytes)
{
    memory_release(kind, old);
    void *block = memory_allocate_zeroed(kind, bytes);

    CORE_ASSERT(block != NULL);
    return block;
}
