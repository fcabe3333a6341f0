/* SPDX-License-Identifier: MIT */
/*
 * Pages of this node's memory: a buddy allocator over the ranges that the node was given. Runs of
 * pages are physically contiguous, and aligned to their length rounded up to a power of two.
 */
#pragma once

#include "kernel/base.h"

/* Give the allocator [start, start + bytes), page-aligned. Part of it, one byte for each page,
 * becomes the allocator's own book. At most NODE_RANGE_MAX times. */
void pages_add_range(void *start, uint64_t bytes);

/* Zeroed. NULL when no run of that length is free. Cost: O(log n) and the zeroing. */
void *pages_allocate(size_t page_count);
/* The same, not zeroed, and aligned to at least 2^align_order pages. */
void *pages_allocate_raw(size_t page_count, unsigned align_order);
/* The whole run of an earlier allocation, or any part of it. */
void pages_release(void *pages, size_t page_count);

uint64_t pages_total_bytes(void);
uint64_t pages_free_bytes(void);
