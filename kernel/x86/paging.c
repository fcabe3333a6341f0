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
#include "libc/core/bits.h"
#include "libc/core/pages.h"

#define LARGE_PAGE_BYTES (2 * MIB)

static struct address_space own_space;

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
        own_space.tables_vaddr = DIRECT_MAP_BASE;
        own_space.has_1gib_pages = paging_has_1gib_pages();
        own_space.allocate_table = allocate_own_table;
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
        int error = address_space_map(paging_own_space(), DEVICES_BASE + page, page, step,
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
    if (address_space_map(paging_own_space(), DEVICES_BASE + start, start, end - start,
                          PAGING_WRITE | PAGING_WRITE_COMBINING) != 0) {
        return NULL;
    }
    return (void *)(DEVICES_BASE + paddr);
}
