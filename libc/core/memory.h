/* SPDX-License-Identifier: MIT */
/*
 * The allocator of blocks: size classes over pages, which a source gives: on a node its own memory.
 * Every block can take DMA. Blocks are 16-byte aligned; those of 64 bytes and more start on a cache
 * line.
 */
#pragma once

#include "libc/core/assert.h"
#include "libc/core/base.h"

#define MEMORY_PAGE_BYTES 4096u

struct memory_source {
    /* A run of pages whose start is aligned to MEMORY_PAGE_BYTES << align_order, or NULL. */
    void *(*allocate)(size_t page_count, unsigned align_order);
    void (*release)(void *pages, size_t page_count);
};
/* Before anything is allocated. */
void memory_set_source(const struct memory_source *source);

/* Not zeroed. NULL when there is no memory. */
void *memory_allocate(size_t bytes);
void *memory_allocate_zeroed(size_t bytes);
/* Keeps the content up to the smaller size; on NULL the old block is untouched. */
void *memory_resize(void *block, size_t bytes);
void memory_release(void *block); /* NULL is allowed */

/* A zeroed table in the place of an old one or NULL, for who cannot go on without. */
static inline void *memory_renew(void *old, size_t bytes)
{
    memory_release(old);
    void *block = memory_allocate_zeroed(bytes);

    CORE_ASSERT(block != NULL);
    return block;
}
