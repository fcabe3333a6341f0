/* SPDX-License-Identifier: MIT */
/*
 * A change is made with CR0.WP off (SDM 3A 4.1.3), so that no second view of the tables is needed
 * that would have to be writable itself. The allocator, whose lists a stray store may have damaged,
 * is not called meanwhile: pages for more tables are taken between two tries.
 */
#include "libc/core/guarded_space.h"

#include <errno.h>

#include "libc/core/assert.h"
#include "libc/core/cpu.h"
#include "libc/core/memory.h"
#include "libc/core/pages.h"

/* Taken at a time, in one piece, aligned. Chosen: few large pages are cut up to protect them. */
#define SPARE_COUNT 16u
#define SPARE_BYTES (SPARE_COUNT * MEMORY_PAGE_BYTES)

static uint64_t next_spare; /* 0: there is none */

static uint64_t take_spare(void *context)
{
    uint64_t table = next_spare;

    (void)context;
    if (table != 0) {
        next_spare += MEMORY_PAGE_BYTES;
        next_spare = next_spare % SPARE_BYTES == 0 ? 0 : next_spare;
    }
    return table;
}

static void set_write_protection(bool is_on)
{
    uint64_t cr0 = cpu_read_cr0();

    CORE_ASSERT(((cr0 & CR0_WRITE_PROTECT) != 0) != is_on);
    cpu_write_cr0(cr0 ^ CR0_WRITE_PROTECT);
}

void guarded_space_begin(struct address_space *space)
{
    /* Off where who ran here before has failed in a change. */
    cpu_write_cr0(cpu_read_cr0() | CR0_WRITE_PROTECT);
    next_spare = 0;
    space->allocate_table = take_spare;
}

static int protect(struct address_space *space, uintptr_t vaddr, uint64_t bytes)
{
    set_write_protection(false);
    int error = address_space_protect(space, vaddr, bytes, PAGING_READ);

    set_write_protection(true);
    cpu_flush_tlb();
    return error;
}

/* When there are none. Two at most go for the large page in which they lie. */
static bool add_spares(struct address_space *space)
{
    void *pages = space->allocate_table == take_spare ? pages_allocate(SPARE_COUNT) : NULL;

    if (pages == NULL) {
        return false;
    }
    next_spare = (uintptr_t)pages - space->tables_vaddr;
    CORE_ASSERT(next_spare % SPARE_BYTES == 0);
    int error = protect(space, (uintptr_t)pages, SPARE_BYTES);

    CORE_ASSERT(error == 0);
    return true;
}

int guarded_space_map(struct address_space *space, uintptr_t vaddr, uint64_t paddr, uint64_t bytes,
                      unsigned flags)
{
    int error;

    do {
        set_write_protection(false);
        error = address_space_map_missing(space, vaddr, paddr, bytes, flags);
        set_write_protection(true);
    } while (error == -ENOMEM && add_spares(space));
    return error;
}

int guarded_space_make_read_only(struct address_space *space, const void *start, uint64_t bytes)
{
    int error;

    do {
        error = protect(space, (uintptr_t)start, bytes);
    } while (error == -ENOMEM && add_spares(space));
    return error;
}

void guarded_space_replace(struct address_space *space, uintptr_t vaddr, uint64_t paddr,
                           uint64_t bytes, unsigned flags)
{
    set_write_protection(false);
    address_space_replace(space, vaddr, paddr, bytes, flags);
    set_write_protection(true);
    for (uint64_t i = 0; i < bytes; i += MEMORY_PAGE_BYTES) {
        cpu_flush_page(vaddr + i);
    }
}

void guarded_space_unmap(struct address_space *space, uintptr_t vaddr, uint64_t bytes)
{
    set_write_protection(false);
    address_space_unmap(space, vaddr, bytes);
    set_write_protection(true);
    cpu_flush_tlb();
}
