/* SPDX-License-Identifier: MIT */
/*
 * A node's map of memory (libc/core/address_space.h): boot/ builds it, the node adds stacks,
 * devices and channels. Its tables lie in the node's own memory.
 */
#pragma once

#include "kernel/base.h"
#include "libc/core/address_space.h"

/* Whether one entry can map a gigabyte: not on the oldest x86-64 cores. */
bool paging_has_1gib_pages(void);

/* This node's own space, to look at; changed by libc/core/guarded_space.h. */
struct address_space *paging_own_space(void);

/* Told of pages that become a channel's ring (rings.c): for a checker. NULL: nobody. */
extern void (*rings_mark)(const void *ring, size_t bytes);

/* Map a device's registers into this node: uncached, not executable, `paddr` at any byte; again, at
 * the same address. NULL, logged, unless the range is one of node_info.machine.devices, whoever
 * asks (and counted as DROP_BAD_DEVICE), or without room for the tables. */
void *paging_map_device(paddr_t paddr, size_t bytes);

/* The same for a screen's memory, which firmware names and no list: written in bursts. That needs
 * entry 1 of the page attribute table to be write-combining. NULL where it cannot be. */
void *paging_map_screen(paddr_t paddr, size_t bytes);
