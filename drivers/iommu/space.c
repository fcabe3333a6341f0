/* SPDX-License-Identifier: MIT */
/*
 * A table of level n has entries for 512 pieces of 4 KiB * 512^(n - 1) each.
 */
#include "drivers/iommu/space.h"

#include <errno.h>

#include "drivers/iommu/regs.h"
#include "kernel/limits.h"
#include "kernel/platform.h"
#include "libc/core/pages.h"

#define CACHE_LINE_BYTES 64u
#define LEVEL_BITS       9u

void iommu_write_back(const void *entry, size_t bytes, bool is_coherent)
{
    const uint8_t *at = entry;

    for (size_t offset = 0; !is_coherent && offset < bytes; offset += CACHE_LINE_BYTES) {
        __asm__ volatile("clflush %0" : : "m"(at[offset]) : "memory");
    }
    __asm__ volatile("mfence" : : : "memory");
}

uint64_t *iommu_new_table(bool is_coherent)
{
    uint64_t *table = pages_allocate(1);

    if (table != NULL) {
        iommu_write_back(table, PAGE_BYTES, is_coherent);
    }
    return table;
}

static uint64_t level_bytes(unsigned level)
{
    return (uint64_t)PAGE_BYTES << (LEVEL_BITS * (level - 1));
}

static void write_entry(const struct iommu_space *space, uint64_t *entry, uint64_t value)
{
    *entry = value;
    iommu_write_back(entry, sizeof(*entry), space->is_coherent);
}

/* The table below an entry that maps no memory, made if there is none. NULL without memory. */
static uint64_t *table_below(const struct iommu_space *space, uint64_t *entry)
{
    uint64_t *table;

    if (*entry != 0) {
        /* Tables lie where this program has memory: at one distance, all of them. */
        uintptr_t distance = (uintptr_t)entry - (uintptr_t)platform_bus_addr(entry);

        return (uint64_t *)(distance + (*entry & SECOND_ADDRESS));
    }
    table = iommu_new_table(space->is_coherent);
    if (table != NULL) {
        write_entry(space, entry, platform_bus_addr(table) | SECOND_READ | SECOND_WRITE);
    }
    return table;
}

static int map_in(const struct iommu_space *space, uint64_t *table, unsigned level, paddr_t start,
                  paddr_t end, unsigned rights)
{
    const uint64_t piece = level_bytes(level);
    int error = 0;

    while (start < end && error == 0) {
        uint64_t *entry = &table[start / piece % TABLE_WORDS];
        paddr_t next = ALIGN_DOWN(start, piece) + piece;
        bool maps_memory = *entry != 0 && (level == 1 || (*entry & SECOND_LARGE) != 0);
        bool is_whole = start % piece == 0 && next <= end;

        next = next < end ? next : end;
        if (is_whole && level <= space->map_level && (*entry == 0 || maps_memory)) {
            write_entry(space, entry, *entry | start | rights | (level > 1 ? SECOND_LARGE : 0));
        } else if (maps_memory) {
            error = (*entry & rights) == rights ? 0 : -EEXIST;
        } else {
            uint64_t *below = table_below(space, entry);

            error = below == NULL ? -ENOMEM : map_in(space, below, level - 1, start, next, rights);
        }
        start = next;
    }
    return error;
}

int iommu_space_map(struct iommu_space *space, paddr_t paddr, uint64_t bytes, unsigned rights)
{
    ASSERT(paddr % PAGE_BYTES == 0 && bytes % PAGE_BYTES == 0);
    ASSERT(rights != 0 && (rights & ~(unsigned)(IOMMU_READ | IOMMU_WRITE)) == 0);
    ASSERT(space->map_level >= 1 && space->map_level <= space->levels);
    if (paddr + bytes < paddr || paddr + bytes > UINT64_C(1) << SPACE_ADDRESS_BITS(space->levels)) {
        return -ERANGE;
    }
    if (space->root == NULL) {
        space->root = iommu_new_table(space->is_coherent);
    }
    return space->root == NULL
               ? -ENOMEM
               : map_in(space, space->root, space->levels, paddr, paddr + bytes, rights);
}
