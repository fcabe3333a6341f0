/* SPDX-License-Identifier: MIT */
/*
 * The node's allocator: size classes over pages of the node's own memory. Every block can take
 * DMA. Blocks are 16-byte aligned; those of 64 bytes and more start on a cache line.
 */
#pragma once

#include "kernel/base.h"

/* Not zeroed. NULL when there is no memory. */
void *memory_allocate(size_t bytes);
void *memory_allocate_zeroed(size_t bytes);
/* Keeps the content up to the smaller size; on NULL the old block is untouched. */
void *memory_resize(void *block, size_t bytes);
void memory_release(void *block); /* NULL is allowed */

struct memory_usage {
    uint64_t total_bytes;
    uint64_t free_bytes;
};
struct memory_usage memory_usage(void);
