/* SPDX-License-Identifier: MIT */
/*
 * Page tables (SDM 3A 4.5). boot/ builds those of each node with these calls, the node itself adds
 * stacks, device registers and channels. Table pages lie in the node's own memory and are reached
 * through the direct map. Large pages are used wherever both addresses are aligned and the rest is
 * long enough. No other core uses a node's tables, so a node that changes or takes away a mapping
 * has only its own TLB to flush.
 */
#pragma once

#include "kernel/base.h"

enum paging_flags {
    PAGING_READ = 0,
    PAGING_WRITE = 1 << 0,
    PAGING_EXECUTE = 1 << 1, /* never together with PAGING_WRITE */
    PAGING_UNCACHED = 1 << 2,
    PAGING_WRITE_COMBINING = 1 << 3,
};

struct address_space {
    paddr_t root; /* the PML4: what CR3 holds */
    /* One zeroed page for a table, or 0 when there is none. */
    paddr_t (*allocate_table)(void *context);
    void *context;
};

/*
 * Map [vaddr, vaddr + bytes) to [paddr, paddr + bytes); all page-aligned.
 *
 * Returns 0; -ENOMEM without a page for a table (part of the range may be mapped); -EEXIST when
 * one of the pages is mapped already (it stays as it was).
 */
MUST_CHECK int paging_map(struct address_space *space, uintptr_t vaddr, paddr_t paddr,
                          uint64_t bytes, unsigned flags);
/* Make all tables that paging_map() may need for this range, of whole 2 MiB, which then cannot fail
 * for want of memory. Returns 0 or -ENOMEM. */
MUST_CHECK int paging_make_tables(struct address_space *space, uintptr_t vaddr, uint64_t bytes);
/* Where a byte of the space lies, or PADDR_NONE. */
#define PADDR_NONE UINT64_MAX
paddr_t paging_translate(const struct address_space *space, uintptr_t vaddr);

/* Whether one entry can map a gigabyte: not on the oldest x86-64 cores. */
bool paging_has_1gib_pages(void);

/* This node's own space, for the calls above. */
struct address_space *paging_own_space(void);

/*
 * Give pages that this node has mapped other rights. Large pages are split, and stay so. Flushes
 * the TLB: for rare use.
 *
 * Returns 0, or -ENOMEM without a page for a table: no right has changed. Pages that were split
 * once never fail.
 */
MUST_CHECK int paging_protect(uintptr_t vaddr, uint64_t bytes, unsigned flags);
/* Take away pages that were mapped by the page. Flushes the TLB. */
void paging_unmap(uintptr_t vaddr, uint64_t bytes);

/*
 * Map a device's registers into this node: uncached, read-write, not executable. `paddr` need not
 * be page-aligned. Asked for the same range again, it returns the same address. NULL (logged, and
 * counted as DROP_BAD_DEVICE) unless the range is one of node_info.machine.devices, whoever
 * asks; NULL (logged) without room for the tables.
 */
void *paging_map_device(paddr_t paddr, size_t bytes);

/*
 * Map a screen's memory into this node: written in bursts (write-combining), otherwise as above,
 * but once for all: a range that is mapped already gives NULL.
 */
void *paging_map_screen(paddr_t paddr, size_t bytes);
