/* SPDX-License-Identifier: MIT */
/*
 * libc/core/memory.h for unit tests: the host's allocator, which the sanitizers watch.
 */
#include "tests/unit/world/fake_memory.h"

#include <stdlib.h>
#include <string.h>

#include "kernel/memory/pages.h"
#include "libc/core/memory.h"

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
    return block;
}

void *memory_allocate_zeroed(size_t bytes)
{
    return fake_allocation_fails() ? NULL : calloc(1, bytes);
}

void *memory_resize(void *block, size_t bytes)
{
    return fake_allocation_fails() ? NULL : realloc(block, bytes);
}

void memory_release(void *block)
{
    free(block);
}

/* Of kernel/memory/pages.h: what a small node has. */
uint64_t pages_total_bytes(void)
{
    return 16 * MIB;
}
