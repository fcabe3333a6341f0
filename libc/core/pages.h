/* SPDX-License-Identifier: MIT */
/*
 * The allocator of pages of MEMORY_PAGE_BYTES: buddies, over ranges that it is given, on a node its
 * own memory. Runs of pages are contiguous, and aligned to their length rounded up to a power of
 * two. Smaller blocks are memory.h's, over these pages.
 */
#pragma once

#include "libc/core/base.h"

#define PAGES_RANGE_MAX 8u

/* Give the allocator [start, start + bytes), page-aligned. Part of it, one byte for each page,
 * becomes the allocator's own book. At most PAGES_RANGE_MAX times. */
void pages_add_range(void *start, uint64_t bytes);

/* Zeroed. NULL when no run of that length is free. Cost: O(log n) and the zeroing. */
void *pages_allocate(size_t page_count);
/* The same, not zeroed, and aligned to at least 2^align_order pages. */
void *pages_allocate_raw(size_t page_count, unsigned align_order);
/* The whole run of an earlier allocation, or any part of it. */
void pages_release(void *pages, size_t page_count);

uint64_t pages_total_bytes(void);
uint64_t pages_free_bytes(void);
