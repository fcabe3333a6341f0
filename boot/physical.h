/* SPDX-License-Identifier: MIT */
/*
 * Physical memory during boot: which of it is free, what boot itself takes of it, and the equal
 * shares that nodes get of the rest.
 */
#pragma once

#include "kernel/base.h"
#include "kernel/node.h"

/* Free memory begins as a list of ranges; taking and reserving cuts them. All page-aligned inwards
 * when added, outwards when reserved. */
void physical_add(struct memory_range range);
void physical_reserve(struct memory_range range);
/* Say which domain (ACPI SRAT) memory belongs to; 0 until then. */
void physical_set_domain(struct memory_range range, uint32_t domain);

/* Pages for boot, from the top of free memory below `limit`. 0 when there are none. */
paddr_t physical_allocate(uint64_t bytes, paddr_t limit);
/* The same from the bottom, for much that is written at once: firmware and loader have run at the
 * top, and an emulator that has translated their code is slow to let it be overwritten. */
paddr_t physical_allocate_low(uint64_t bytes);
uint64_t physical_free_bytes(void);
/* Forget free memory, the highest first, until no more than so much is left. */
void physical_limit(uint64_t bytes);

/*
 * Cut equal shares for `node_count` nodes out of all free memory, into their places' ranges. What a
 * domain has goes to its own nodes, to each as much, as far as their shares reach, and stands first
 * in them; what is missing comes from the others. A share has at most NODE_RANGE_MAX ranges; what
 * would be more is lost to all.
 */
void physical_share(unsigned node_count, struct node_place *places);
