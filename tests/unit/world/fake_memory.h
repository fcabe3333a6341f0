/* SPDX-License-Identifier: MIT */
/*
 * What fake_memory.c asks of fake_platform.c, and what it knows.
 */
#pragma once

#include "kernel/base.h"
#include "libc/core/memory.h"

/* Whether this allocation shall fail (fake_fail_allocations_after). */
bool fake_allocation_fails(void);

/* Blocks that have been allocated and not released. */
unsigned fake_memory_blocks(void);
/* Of the kind of this name, since the program's start. */
const struct memory_counts *fake_memory_counts(const char *name);
/* What the node is said to have. */
extern uint64_t fake_memory_total_bytes;
