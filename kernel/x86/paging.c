/* SPDX-License-Identifier: MIT */
/*
 * Page tables of four levels (SDM 3A 4.5), through the direct map. Tables are only ever added.
 */
#include "kernel/x86/paging.h"

#include <errno.h>

#include "kernel/limits.h"
#include "kernel/log.h"
#include "kernel/message/status.h"
#include "kernel/node.h"
#include "kernel/platform.h"
#include "kernel/x86/cpu.h"
#include "kernel/x86/layout.h"
#include "libc/core/bits.h"
#include "libc/core/pages.h"

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

#define LEVEL_TOP        3u /* PML4; 0 is the page table */
#define ENTRY_COUNT      512u
#define LARGE_PAGE_BYTES (2 * MIB)

static struct address_space own_space;

static uint64_t *table_at(paddr_t paddr)
{
    return (uint64_t *)(DIRECT_MAP_BASE + paddr);
}

static unsigned entry_index(uintptr_t vaddr, unsigned level)
{
    return vaddr >> (12 + 9 * level) & (ENTRY_COUNT - 1);
}

static uint64_t level_bytes(unsigned level)
{
    return 1ull << (12 + 9 * level);
}

bool paging_has_1gib_pages(void)
{
    static enum { UNKNOWN, ABSENT, PRESENT } answer;

    /* Asked once: under a hypervisor CPUID leaves the machine, and stacks are mapped by the page.
     */
    if (answer == UNKNOWN) {
        bool has_them = (cpu_id(0x80000001, 0).edx & CPUID_80000001_EDX_1GIB_PAGES) != 0;

        answer = has_them ? PRESENT : ABSENT;
    }
    return answer == PRESENT;
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
static unsigned leaf_level(uintptr_t vaddr, paddr_t paddr, uint64_t bytes, unsigned largest)
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
    uint64_t *table = table_at(space->root);

    for (unsigned at = LEVEL_TOP; at > level; at--) {
        uint64_t *entry = &table[entry_index(vaddr, at)];

        if ((*entry & PTE_PRESENT) == 0) {
            paddr_t paddr = space->allocate_table(space->context);

            if (paddr == 0) {
                *error = -ENOMEM;
                return NULL;
            }
            ASSERT((paddr & ~PTE_ADDRESS) == 0);
            /* Rights are those of the leaf: upper levels allow all. */
            *entry = paddr | PTE_PRESENT | PTE_WRITE | PTE_ACCESSED;
        } else if (*entry & PTE_LARGE) {
            *error = -EEXIST;
            return NULL;
        }
        table = table_at(*entry & PTE_ADDRESS);
    }
    return &table[entry_index(vaddr, level)];
}

int paging_map(struct address_space *space, uintptr_t vaddr, paddr_t paddr, uint64_t bytes,
               unsigned flags)
{
    unsigned largest = paging_has_1gib_pages() ? 2 : 1;

    ASSERT((vaddr | paddr | bytes) % PAGE_BYTES == 0);
    ASSERT((flags & PAGING_WRITE) == 0 || (flags & PAGING_EXECUTE) == 0);
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

int paging_make_tables(struct address_space *space, uintptr_t vaddr, uint64_t bytes)
{
    int error = 0;

    ASSERT((vaddr | bytes) % level_bytes(1) == 0);
    for (uint64_t i = 0; i < bytes && error == 0; i += level_bytes(1)) {
        (void)make_entry(space, vaddr + i, 0, &error);
    }
    return error;
}

/* The entry that maps this address, and its level; NULL when none does. */
static uint64_t *find_leaf(const struct address_space *space, uintptr_t vaddr, unsigned *level)
{
    uint64_t *table = table_at(space->root);

    for (*level = LEVEL_TOP;; (*level)--) {
        uint64_t *entry = &table[entry_index(vaddr, *level)];

        if ((*entry & PTE_PRESENT) == 0) {
            return NULL;
        }
        if (*level == 0 || (*level < LEVEL_TOP && (*entry & PTE_LARGE))) {
            return entry;
        }
        table = table_at(*entry & PTE_ADDRESS);
    }
}

paddr_t paging_translate(const struct address_space *space, uintptr_t vaddr)
{
    unsigned level;
    const uint64_t *entry = find_leaf(space, vaddr, &level);

    if (entry == NULL) {
        return PADDR_NONE;
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

    ASSERT(entry != NULL);
    while (level > 0) {
        paddr_t paddr = space->allocate_table(space->context);
        uint64_t bits = level == 1 ? *entry & ~PTE_LARGE : *entry;

        if (paddr == 0) {
            return NULL;
        }
        level--;
        for (unsigned i = 0; i < ENTRY_COUNT; i++) {
            table_at(paddr)[i] = bits + i * level_bytes(level);
        }
        *entry = paddr | PTE_PRESENT | PTE_WRITE | PTE_ACCESSED;
        entry = &table_at(paddr)[entry_index(vaddr, level)];
    }
    return entry;
}

int paging_protect(uintptr_t vaddr, uint64_t bytes, unsigned flags)
{
    struct address_space *space = paging_own_space();

    ASSERT((vaddr | bytes) % PAGE_BYTES == 0);
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
    cpu_flush_tlb();
    return 0;
}

void paging_unmap(uintptr_t vaddr, uint64_t bytes)
{
    for (uint64_t i = 0; i < bytes; i += PAGE_BYTES) {
        unsigned level;
        uint64_t *entry = find_leaf(paging_own_space(), vaddr + i, &level);

        ASSERT(entry != NULL && level == 0);
        *entry = 0;
    }
    cpu_flush_tlb();
}

/* Entry 1 of the page attribute table, write-through at reset, becomes write-combining (SDM 3A
 * 11.12.4). Only leaf_bits() selects it, for pages that are mapped after this. */
static void enable_write_combining(void)
{
    const uint64_t write_combining = 1;
    uint64_t table = cpu_read_msr(MSR_PAT) & ~BITS(15, 8);

    cpu_write_msr(MSR_PAT, table | FIELD_PREP(BITS(15, 8), write_combining));
}

static paddr_t allocate_own_table(void *context)
{
    void *page = pages_allocate(1);

    (void)context;
    return page == NULL ? 0 : (uintptr_t)page - DIRECT_MAP_BASE;
}

struct address_space *paging_own_space(void)
{
    if (own_space.root == 0) {
        own_space.root = node_info.page_table_root;
        own_space.allocate_table = allocate_own_table;
    }
    return &own_space;
}

/*
 * The pages of a device's range. False when they are not to be mapped: there are none, they lie
 * beyond what the devices' part of the map can show, or they are memory of this node, which mapped
 * a second time and uncached would be two views of the same bytes (SDM 3A 11.12.4). Other nodes'
 * memory is in no range that is known as a device's.
 */
static bool find_device_pages(paddr_t paddr, uint64_t bytes, paddr_t *start, paddr_t *end)
{
    *start = ALIGN_DOWN(paddr, (paddr_t)PAGE_BYTES);
    *end = ALIGN_UP(paddr + bytes, (paddr_t)PAGE_BYTES);
    if (bytes == 0 || *end <= *start || *end > DEVICES_MAX_BYTES) {
        return false;
    }
    for (unsigned i = 0; i < node_info.range_count; i++) {
        const struct memory_range *range = &node_info.ranges[i];

        if (*start < range->paddr + range->bytes && range->paddr < *end) {
            return false;
        }
    }
    return true;
}

/* Pages that are mapped already stay as they are. */
static int map_device_pages(paddr_t start, paddr_t end, uint64_t step)
{
    for (paddr_t page = start; page < end; page += step) {
        int error = paging_map(paging_own_space(), DEVICES_BASE + page, page, step,
                               PAGING_WRITE | PAGING_UNCACHED);

        if (error == -EEXIST && step > PAGE_BYTES) {
            error = map_device_pages(page, page + step, PAGE_BYTES); /* a part of it is */
        }
        if (error != 0 && error != -EEXIST) {
            return error;
        }
    }
    return 0;
}

void *paging_map_device(paddr_t paddr, size_t bytes)
{
    paddr_t start, end;

    if (ranges_find(&node_info.machine.devices, paddr, bytes) == NULL ||
        !find_device_pages(paddr, bytes, &start, &end)) {
        log_error("paging", "refused to map %lu bytes at %#lx: no device is known to be there",
                  bytes, paddr);
        counter_increment(COUNTER_DROP_BAD_DEVICE);
        return NULL;
    }
    /* Large pages where they fit: configuration space has hundreds of megabytes. */
    bool is_large = (start | end) % LARGE_PAGE_BYTES == 0;

    if (map_device_pages(start, end, is_large ? LARGE_PAGE_BYTES : PAGE_BYTES) != 0) {
        log_error("paging", "no memory to map a device at %#lx", paddr);
        return NULL;
    }
    return (void *)(DEVICES_BASE + paddr);
}

void *paging_map_screen(paddr_t paddr, size_t bytes)
{
    paddr_t start, end;

    if (!find_device_pages(paddr, bytes, &start, &end)) {
        return NULL;
    }
    enable_write_combining();
    if (paging_map(paging_own_space(), DEVICES_BASE + start, start, end - start,
                   PAGING_WRITE | PAGING_WRITE_COMBINING) != 0) {
        return NULL;
    }
    return (void *)(DEVICES_BASE + paddr);
}
