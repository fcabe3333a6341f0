/* SPDX-License-Identifier: MIT */
/*
 * This node's space, and devices in it.
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
#include "libc/core/pages.h"

#define LARGE_PAGE_BYTES (2 * MIB)

static struct address_space own_space;

bool paging_has_1gib_pages(void)
{
    return (cpu_id(0x80000001, 0).edx & CPUID_80000001_EDX_1GIB_PAGES) != 0;
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
        own_space = (struct address_space){
            .root = node_info.page_table_root,
            .tables_vaddr = DIRECT_MAP_BASE,
            .has_1gib_pages = paging_has_1gib_pages(),
            .allocate_table = allocate_own_table,
        };
    }
    return &own_space;
}

int paging_protect(uintptr_t vaddr, uint64_t bytes, unsigned flags)
{
    int error = address_space_protect(paging_own_space(), vaddr, bytes, flags);

    cpu_flush_tlb();
    return error;
}

void paging_unmap(uintptr_t vaddr, uint64_t bytes)
{
    address_space_unmap(paging_own_space(), vaddr, bytes);
    cpu_flush_tlb();
}

/* Whether these can be a device's: what is memory of this node would be mapped a second time, and
 * two kinds of view of the same bytes disagree (SDM 3A 11.12.4). Of other nodes' memory nothing is
 * known as a device's. */
static bool is_outside_memory(paddr_t paddr, uint64_t bytes)
{
    paddr_t start = ALIGN_DOWN(paddr, (paddr_t)PAGE_BYTES);
    paddr_t end = ALIGN_UP(paddr + bytes, (paddr_t)PAGE_BYTES);

    for (unsigned i = 0; i < node_info.range_count; i++) {
        const struct memory_range *range = &node_info.ranges[i];

        if (start < range->paddr + range->bytes && range->paddr < end) {
            return false;
        }
    }
    return bytes != 0 && end > start && end <= DEVICES_MAX_BYTES;
}

/* Pages that are mapped already stay as they are. */
static int map_pages(paddr_t start, paddr_t end, uint64_t step, unsigned flags)
{
    for (paddr_t page = start; page < end; page += step) {
        int error = address_space_map(paging_own_space(), DEVICES_BASE + page, page, step,
                                      PAGING_WRITE | flags);

        if (error == -EEXIST && step > PAGE_BYTES) {
            error = map_pages(page, page + step, PAGE_BYTES, flags); /* a part of it is */
        }
        if (error != 0 && error != -EEXIST) {
            return error;
        }
    }
    return 0;
}

static void *map(paddr_t paddr, size_t bytes, unsigned flags)
{
    paddr_t start = ALIGN_DOWN(paddr, (paddr_t)PAGE_BYTES);
    paddr_t end = ALIGN_UP(paddr + bytes, (paddr_t)PAGE_BYTES);
    /* Large pages where they fit: configuration space has hundreds of megabytes. */
    uint64_t step = (start | end) % LARGE_PAGE_BYTES == 0 ? LARGE_PAGE_BYTES : PAGE_BYTES;

    return map_pages(start, end, step, flags) == 0 ? (void *)(DEVICES_BASE + paddr) : NULL;
}

void *paging_map_device(paddr_t paddr, size_t bytes)
{
    if (ranges_find(&node_info.machine.devices, paddr, bytes) == NULL ||
        !is_outside_memory(paddr, bytes)) {
        log_error("paging", "refused to map %lu bytes at %#lx: no device is known to be there",
                  bytes, paddr);
        counter_increment(COUNTER_DROP_BAD_DEVICE);
        return NULL;
    }
    void *mapped = map(paddr, bytes, PAGING_UNCACHED);

    if (mapped == NULL) {
        log_error("paging", "no memory to map a device at %#lx", paddr);
    }
    return mapped;
}

void *paging_map_screen(paddr_t paddr, size_t bytes)
{
    return is_outside_memory(paddr, bytes) ? map(paddr, bytes, PAGING_WRITE_COMBINING) : NULL;
}
