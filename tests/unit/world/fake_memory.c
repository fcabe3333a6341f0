/* SPDX-License-Identifier: MIT */
/*
 * libc/core/memory.h for unit tests: the host's allocator, which the sanitizers watch.
 */
#include "tests/unit/world/fake_memory.h"

#include <stdlib.h>
#include <string.h>

#include "libc/core/memory.h"
#include "libc/core/pages.h"

static unsigned block_count;

bool (*memory_fault)(const struct memory_kind *kind);

static void *count_block(const struct memory_kind *kind, void *block)
{
    block_count += memory_count_taken(kind, block, 0);
    return block;
}

unsigned fake_memory_blocks(void)
{
    return block_count;
}

const struct memory_counts *fake_memory_counts(const char *name)
{
    LINKER_SET_EACH(memory_kinds, struct memory_kind, item)
    {
        if (strcmp((*item)->name, name) == 0) {
            return (*item)->counts;
        }
    }
    abort();
}

unsigned memory_publish_counts(struct memory_counts *counts, unsigned count_max)
{
    (void)counts;
    (void)count_max;
    return 0;
}

static bool fails(const struct memory_kind *kind)
{
    return memory_is_refused(kind) || fake_allocation_fails();
}

void *memory_allocate(const struct memory_kind *kind, size_t bytes)
{
    void *block = fails(kind) ? NULL : malloc(bytes);

    /* As on a node, what was there before is still there: nobody may rely on zeros. */
    if (block != NULL) {
        memset(block, 0xA5, bytes);
    }
    return count_block(kind, block);
}

void *memory_allocate_zeroed(const struct memory_kind *kind, size_t bytes)
{
    return count_block(kind, fails(kind) ? NULL : calloc(1, bytes));
}

void *memory_resize(const struct memory_kind *kind, void *block, size_t bytes)
{
    if (block == NULL) {
        return memory_allocate(kind, bytes);
    }
    return fails(kind) ? NULL : realloc(block, bytes);
}

void memory_release(const struct memory_kind *kind, void *block)
{
    if (block != NULL) {
        block_count--;
        memory_count_released(kind, 0);
    }
    free(block);
}

/* Pages are no blocks: what takes them keeps them. */
void *memory_allocate_pages(const struct memory_kind *kind, size_t page_count)
{
    size_t bytes = page_count * MEMORY_PAGE_BYTES;
    void *pages = fails(kind) ? NULL : aligned_alloc(MEMORY_PAGE_BYTES, bytes);

    if (pages != NULL) {
        memset(pages, 0xA5, bytes); /* what was there is undefined */
    }
    memory_count_taken(kind, pages, bytes);
    return pages;
}

void memory_release_pages(const struct memory_kind *kind, void *pages, size_t page_count)
{
    memory_count_released(kind, page_count * MEMORY_PAGE_BYTES);
    free(pages);
}

/* Of libc/core/pages.h: what a small node has, if the test does not say otherwise. */
uint64_t fake_memory_total_bytes = 16 * MIB;

uint64_t pages_total_bytes(void)
{
    return fake_memory_total_bytes;
}
