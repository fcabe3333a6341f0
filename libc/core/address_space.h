/* SPDX-License-Identifier: MIT */
/*
 * What virtual addresses mean: page tables of an x86-64 core, as data (SDM 3A 4.5). Large pages are
 * used wherever both addresses are aligned and the rest is long enough. Whoever changes or takes
 * away what a core may have in its TLB flushes that.
 */
#pragma once

#include "libc/core/base.h"

enum address_space_flags {
    PAGING_READ = 0,
    PAGING_WRITE = 1 << 0,
    PAGING_EXECUTE = 1 << 1, /* never together with PAGING_WRITE */
    PAGING_UNCACHED = 1 << 2,
    PAGING_WRITE_COMBINING = 1 << 3,
};

struct address_space {
    uint64_t root;          /* the PML4: what CR3 holds */
    uintptr_t tables_vaddr; /* where this program finds a table: there + its physical address */
    bool has_1gib_pages;    /* whether one entry can map a gigabyte */
    /* One zeroed page for a table, or 0 when there is none. */
    uint64_t (*allocate_table)(void *context);
    void *context;
};

/*
 * Map [vaddr, vaddr + bytes) to [paddr, paddr + bytes); all page-aligned.
 *
 * Returns 0; -ENOMEM without a page for a table (part of the range may be mapped); -EEXIST when
 * one of the pages is mapped already (it stays as it was).
 */
MUST_CHECK int address_space_map(struct address_space *space, uintptr_t vaddr, uint64_t paddr,
                                 uint64_t bytes, unsigned flags);
/* The same, with pages that are mapped already left as they are. Large pages only if the whole
 * range is of them. Returns 0 or -ENOMEM. */
MUST_CHECK int address_space_map_missing(struct address_space *space, uintptr_t vaddr,
                                         uint64_t paddr, uint64_t bytes, unsigned flags);
/* Make all tables that address_space_map() may need for this range, of whole 2 MiB, so that it can
 * no longer fail for want of memory. Returns 0 or -ENOMEM. */
MUST_CHECK int address_space_make_tables(struct address_space *space, uintptr_t vaddr,
                                         uint64_t bytes);
/* Where a byte of the space lies, or ADDRESS_SPACE_NONE. */
#define ADDRESS_SPACE_NONE UINT64_MAX
uint64_t address_space_translate(const struct address_space *space, uintptr_t vaddr);

/*
 * Give mapped pages other rights. Large pages are split, and stay so. Returns 0, or -ENOMEM without
 * a page for a table: no right has changed. Pages that were split once never fail.
 */
MUST_CHECK int address_space_protect(struct address_space *space, uintptr_t vaddr, uint64_t bytes,
                                     unsigned flags);
/* Map pages that were mapped by the page elsewhere, or with other rights. */
void address_space_replace(struct address_space *space, uintptr_t vaddr, uint64_t paddr,
                           uint64_t bytes, unsigned flags);
/* Take away pages that were mapped by the page. */
void address_space_unmap(struct address_space *space, uintptr_t vaddr, uint64_t bytes);
