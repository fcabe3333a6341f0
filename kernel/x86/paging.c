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
#include "libc/core/cpu.h"
#include "libc/core/guarded_space.h"
#include "libc/core/pages.h"

static struct address_space own_space;

bool paging_has_1gib_pages(void)
{
    return (cpu_id(0x80000001, 0).edx & CPUID_80000001_EDX_1GIB_PAGES) != 0;
}

static paddr_t allocate_own_table(void *context)
{
    void *page = pages_allocate(1);

    (void)context;
    return page == NULL ? 0 : (uintptr_t)page - node_info.map.direct_map;
}

struct address_space *paging_own_space(void)
{
    if (own_space.root == 0) {
        own_space = (struct address_space){
            .root = node_info.page_table_root,
            .tables_vaddr = node_info.map.direct_map,
            .has_1gib_pages = paging_has_1gib_pages(),
            .allocate_table = allocate_own_table,
        };
    }
    return &own_space;
}

/* Not memory of this node: it would be mapped a second time, and two kinds of view of the same
 * bytes disagree (SDM 3A 11.12.4). Other nodes' memory is not known as a device's. */
static int map(paddr_t paddr, size_t bytes, unsigned flags)
{
    paddr_t start = ALIGN_DOWN(paddr, (paddr_t)PAGE_BYTES);
    paddr_t end = ALIGN_UP(paddr + bytes, (paddr_t)PAGE_BYTES);

    if (bytes == 0 || end <= start || end > node_info.map.device_bytes ||
        memory_ranges_touch(node_info.ranges, node_info.range_count, start, end)) {
        return -ENODEV;
    }
    return guarded_space_map(paging_own_space(), node_info.map.devices + start, start, end - start,
                             PAGING_WRITE | flags);
}

void *paging_map_device(paddr_t paddr, size_t bytes)
{
    bool is_known = ranges_find(&node_info.machine.devices, paddr, bytes) != NULL;
    int error = is_known ? map(paddr, bytes, PAGING_UNCACHED) : -ENODEV;

    if (error != 0) {
        counter_add(COUNTER_DROP_BAD_DEVICE, error == -ENODEV);
        log_error("paging", "%lu bytes at %#lx not mapped: %s", bytes, paddr,
                  error == -ENODEV ? "no device is known to be there" : "no memory");
        return NULL;
    }
    return (void *)(node_info.map.devices + paddr);
}

void *paging_map_screen(paddr_t paddr, size_t bytes)
{
    int error = map(paddr, bytes, PAGING_WRITE_COMBINING);

    return error == 0 ? (void *)(node_info.map.devices + paddr) : NULL;
}
