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

static void *count_block(void *block)
{
    block_count += block != NULL;
    return block;
}

unsigned fake_memory_blocks(void)
{
    return block_count;
}

void *memory_allocate(size_t bytes)
{
    if (fake_allocation_fails()) {
        return NULL;
    }
    void *block = malloc(bytes);

    /* As on a node, what was there before is still there: nobody may rely on zeros. */
    if (block != NULL) {
        memset(block, 0xA5, bytes);
    }
    return count_block(block);
}

void *memory_allocate_zeroed(size_t bytes)
{
    return fake_allocation_fails() ? NULL : count_block(calloc(1, bytes));
}

void *memory_resize(void *block, size_t bytes)
{
    if (fake_allocation_fails()) {
        return NULL;
    }
    return block == NULL ? count_block(malloc(bytes)) : realloc(block, bytes);
}

void memory_release(void *block)
{
    block_count -= block != NULL;
    free(block);
}

/* Of libc/core/pages.h: what a small node has, if the test does not say otherwise. */
uint64_t fake_memory_total_bytes = 16 * MIB;

uint64_t pages_total_bytes(void)
{
    return fake_memory_total_bytes;
}
