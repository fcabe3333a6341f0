/* SPDX-License-Identifier: MIT */
/*
 * Page tables of four levels (SDM 3A 4.5). Tables are only ever added.
 */
#include "libc/core/address_space.h"

#include <errno.h>

#include "libc/core/assert.h"
#include "libc/core/bits.h"
#include "libc/core/memory.h"

#define PAGE_BYTES MEMORY_PAGE_BYTES

#define PTE_PRESENT       BIT(0)
#define PTE_WRITE         BIT(1)
#define PTE_WRITE_THROUGH BIT(3)
#define PTE_CACHE_DISABLE BIT(4)
/* Set by us as the core would: a fault-free first use writes nothing to the table. */
#define PTE_ACCESSED      BIT(5)
#define PTE_DIRTY         BIT(6)
#define PTE_LARGE         BIT(7)
#define PTE_NO_EXECUTE    BIT(63)
#define PTE_ADDRESS       BITS(51, 12)

#define LEVEL_TOP   3u /* PML4; 0 is the page table */
#define ENTRY_COUNT 512u

static uint64_t *table_at(const struct address_space *space, uint64_t paddr)
{
    return (uint64_t *)(space->tables_vaddr + paddr);
}

static unsigned entry_index(uintptr_t vaddr, unsigned level)
{
    return vaddr >> (12 + 9 * level) & (ENTRY_COUNT - 1);
}

static uint64_t level_bytes(unsigned level)
{
    return 1ull << (12 + 9 * level);
}

static uint64_t leaf_bits(unsigned flags)
{
    uint64_t bits = PTE_PRESENT | PTE_ACCESSED;

    if (flags & PAGING_WRITE) {
        bits |= PTE_WRITE | PTE_DIRTY;
    }
    if ((flags & PAGING_EXECUTE) == 0) {
        bits |= PTE_NO_EXECUTE;
    }
    if (flags & PAGING_UNCACHED) {
        bits |= PTE_CACHE_DISABLE | PTE_WRITE_THROUGH;
    }
    if (flags & PAGING_WRITE_COMBINING) {
        bits |= PTE_WRITE_THROUGH; /* entry 1 of the PAT */
    }
    return bits;
}

/* The largest level at which one entry can map the start of the range. */
static unsigned leaf_level(uintptr_t vaddr, uint64_t paddr, uint64_t bytes, unsigned largest)
{
    unsigned level = largest;

    while (level > 0 &&
           (((vaddr | paddr) & (level_bytes(level) - 1)) != 0 || bytes < level_bytes(level))) {
        level--;
    }
    return level;
}

/* The entry for vaddr at `level`, with the tables above it; NULL sets *error. */
static uint64_t *make_entry(struct address_space *space, uintptr_t vaddr, unsigned level,
                            int *error)
{
    uint64_t *table = table_at(space, space->root);

    for (unsigned at = LEVEL_TOP; at > level; at--) {
        uint64_t *entry = &table[entry_index(vaddr, at)];

        if ((*entry & PTE_PRESENT) == 0) {
            uint64_t paddr = space->allocate_table(space->context);

            if (paddr == 0) {
                *error = -ENOMEM;
                return NULL;
            }
            CORE_ASSERT((paddr & ~PTE_ADDRESS) == 0);
            /* Rights are those of the leaf: upper levels allow all. */
            *entry = paddr | PTE_PRESENT | PTE_WRITE | PTE_ACCESSED;
        } else if (*entry & PTE_LARGE) {
            *error = -EEXIST;
            return NULL;
        }
        table = table_at(space, *entry & PTE_ADDRESS);
    }
    return &table[entry_index(vaddr, level)];
}

int address_space_map(struct address_space *space, uintptr_t vaddr, uint64_t paddr, uint64_t bytes,
                      unsigned flags)
{
    unsigned largest = space->has_1gib_pages ? 2 : 1;

    CORE_ASSERT((vaddr | paddr | bytes) % PAGE_BYTES == 0);
    CORE_ASSERT((flags & PAGING_WRITE) == 0 || (flags & PAGING_EXECUTE) == 0);
    while (bytes > 0) {
        unsigned level = leaf_level(vaddr, paddr, bytes, largest);
        int error = 0;
        uint64_t *entry = make_entry(space, vaddr, level, &error);

        if (entry == NULL) {
            return error;
        }
        /* To the end of this table, as long as the pages are of one size. */
        do {
            if (*entry & PTE_PRESENT) {
                return -EEXIST;
            }
            *entry++ = paddr | leaf_bits(flags) | (level > 0 ? PTE_LARGE : 0);
            vaddr += level_bytes(level);
            paddr += level_bytes(level);
            bytes -= level_bytes(level);
        } while (bytes > 0 && entry_index(vaddr, level) != 0 &&
                 leaf_level(vaddr, paddr, bytes, largest) == level);
    }
    return 0;
}

int address_space_map_missing(struct address_space *space, uintptr_t vaddr, uint64_t paddr,
                              uint64_t bytes, unsigned flags)
{
    bool is_large = (vaddr | paddr | bytes) % level_bytes(1) == 0;
    uint64_t step = is_large ? level_bytes(1) : PAGE_BYTES;

    for (uint64_t i = 0; i < bytes; i += step) {
        int error = address_space_map(space, vaddr + i, paddr + i, step, flags);

        if (error == -EEXIST && is_large) { /* a part of it is */
            for (uint64_t j = i; j < i + step && (error == 0 || error == -EEXIST);
                 j += PAGE_BYTES) {
                error = address_space_map(space, vaddr + j, paddr + j, PAGE_BYTES, flags);
            }
        }
        if (error != 0 && error != -EEXIST) {
            return error;
        }
    }
    return 0;
}

int address_space_make_tables(struct address_space *space, uintptr_t vaddr, uint64_t bytes)
{
    int error = 0;

    CORE_ASSERT((vaddr | bytes) % level_bytes(1) == 0);
    for (uint64_t i = 0; i < bytes && error == 0; i += level_bytes(1)) {
        (void)make_entry(space, vaddr + i, 0, &error);
    }
    return error;
}

/* The entry that maps this address, and its level; NULL when none does. */
static uint64_t *find_leaf(const struct address_space *space, uintptr_t vaddr, unsigned *level)
{
    uint64_t *table = table_at(space, space->root);

    for (*level = LEVEL_TOP;; (*level)--) {
        uint64_t *entry = &table[entry_index(vaddr, *level)];

        if ((*entry & PTE_PRESENT) == 0) {
            return NULL;
        }
        if (*level == 0 || (*level < LEVEL_TOP && (*entry & PTE_LARGE))) {
            return entry;
        }
        table = table_at(space, *entry & PTE_ADDRESS);
    }
}

uint64_t address_space_translate(const struct address_space *space, uintptr_t vaddr)
{
    unsigned level;
    const uint64_t *entry = find_leaf(space, vaddr, &level);

    if (entry == NULL) {
        return ADDRESS_SPACE_NONE;
    }
    uint64_t offset_mask = level_bytes(level) - 1;

    return (*entry & PTE_ADDRESS & ~offset_mask) | (vaddr & offset_mask);
}

/* The entry of one small page, cut out of the large page that holds it; NULL without memory for
 * the tables. What is mapped stays the same. */
static uint64_t *split_to_page(struct address_space *space, uintptr_t vaddr)
{
    unsigned level;
    uint64_t *entry = find_leaf(space, vaddr, &level);

    CORE_ASSERT(entry != NULL);
    while (level > 0) {
        uint64_t paddr = space->allocate_table(space->context);
        uint64_t bits = level == 1 ? *entry & ~PTE_LARGE : *entry;

        if (paddr == 0) {
            return NULL;
        }
        level--;
        for (unsigned i = 0; i < ENTRY_COUNT; i++) {
            table_at(space, paddr)[i] = bits + i * level_bytes(level);
        }
        *entry = paddr | PTE_PRESENT | PTE_WRITE | PTE_ACCESSED;
        entry = &table_at(space, paddr)[entry_index(vaddr, level)];
    }
    return entry;
}

int address_space_protect(struct address_space *space, uintptr_t vaddr, uint64_t bytes,
                          unsigned flags)
{
    CORE_ASSERT((vaddr | bytes) % PAGE_BYTES == 0);
    /* All that can fail comes first. */
    for (uint64_t i = 0; i < bytes; i += PAGE_BYTES) {
        if (split_to_page(space, vaddr + i) == NULL) {
            return -ENOMEM;
        }
    }
    for (uint64_t i = 0; i < bytes; i += PAGE_BYTES) {
        uint64_t *entry = split_to_page(space, vaddr + i);

        *entry = (*entry & PTE_ADDRESS) | leaf_bits(flags);
    }
    return 0;
}

void address_space_replace(struct address_space *space, uintptr_t vaddr, uint64_t paddr,
                           uint64_t bytes, unsigned flags)
{
    CORE_ASSERT((vaddr | paddr | bytes) % PAGE_BYTES == 0);
    for (uint64_t i = 0; i < bytes; i += PAGE_BYTES) {
        unsigned level;
        uint64_t *entry = find_leaf(space, vaddr + i, &level);

        CORE_ASSERT(entry != NULL && level == 0);
        *entry = (paddr + i) | leaf_bits(flags);
    }
}

void address_space_unmap(struct address_space *space, uintptr_t vaddr, uint64_t bytes)
{
    for (uint64_t i = 0; i < bytes; i += PAGE_BYTES) {
        unsigned level;
        uint64_t *entry = find_leaf(space, vaddr + i, &level);

        CORE_ASSERT(entry != NULL && level == 0);
        *entry = 0;
    }
}
