/* SPDX-License-Identifier: MIT */
/*
 * Snapshots of memory (libc/core/snapshot.h) on this core: its page tables, and its page faults.
 *
 * Such a fault comes where an instruction writes to the window, and nowhere else: never inside the
 * allocator or a change of page tables, which write elsewhere. So its handler may use both.
 */
#include "drivers/errors/snapshots.h"

#include "drivers/errors/counters.h"
#include "kernel/component.h"
#include "kernel/node.h"
#include "kernel/platform.h"
#include "kernel/x86/paging.h"
#include "libc/core/guarded_space.h"
#include "libc/core/pages.h"
#include "libc/core/snapshot.h"

/* Of a node's memory, for blocks; as much again for what is held of them. Chosen: as what is queued
 * otherwise has, together (net/transport/tcp/queue.c). */
#define PART_OF_MEMORY 16u

/* By the page, as it is changed by the page: so few at a time that no large one is used. */
#define MAP_BYTES ((size_t)16 * PAGE_BYTES)

COUNTER_TABLE_DEFINE(fault_counters, FAULT_COUNTER_FIRST, FAULT_COUNTERS);

static paddr_t paddr_of(const void *frames)
{
    return (uintptr_t)frames - node_info.map.direct_map;
}

static void unmap(uintptr_t vaddr, size_t page_count)
{
    guarded_space_unmap(paging_own_space(), vaddr, page_count * PAGE_BYTES);
}

static bool map(uintptr_t vaddr, void *frames, size_t page_count)
{
    size_t bytes = page_count * PAGE_BYTES;

    for (size_t i = 0; i < bytes; i += MAP_BYTES) {
        size_t step = bytes - i < MAP_BYTES ? bytes - i : MAP_BYTES;

        if (guarded_space_map(paging_own_space(), vaddr + i, paddr_of(frames) + i, step,
                              PAGING_WRITE) != 0) {
            for (size_t j = 0; j < i + step; j += PAGE_BYTES) {
                if (address_space_translate(paging_own_space(), vaddr + j) != ADDRESS_SPACE_NONE) {
                    unmap(vaddr + j, 1);
                }
            }
            return false;
        }
    }
    return true;
}

static void replace(uintptr_t vaddr, void *frames, size_t page_count, bool is_writable)
{
    guarded_space_replace(paging_own_space(), vaddr, paddr_of(frames), page_count * PAGE_BYTES,
                          is_writable ? PAGING_WRITE : PAGING_READ);
}

bool snapshots_resolve(const struct trap_frame *frame)
{
    const uint64_t refused = FAULT_IS_OF_RIGHTS | FAULT_IS_WRITE;
    uintptr_t vaddr;

    if ((frame->error & (refused | FAULT_IS_EXECUTION)) != refused) {
        return false;
    }
    __asm__ volatile("movq %%cr2, %0" : "=r"(vaddr));
    switch (snapshot_write(vaddr)) {
    case SNAPSHOT_FAULT_NONE:
        return false;
    case SNAPSHOT_FAULT_OPENED:
        counter_increment(COUNTER_SNAPSHOT_OPENED);
        return true;
    case SNAPSHOT_FAULT_COPIED:
        counter_increment(COUNTER_SNAPSHOT_COPIED);
        return true;
    }
    return false;
}

static void begin(void)
{
    static struct snapshot_space space = {.map = map, .replace = replace, .unmap = unmap};
    uint64_t page_max = pages_total_bytes() / PART_OF_MEMORY / PAGE_BYTES;

    space.start = node_info.map.snapshots;
    space.page_max = page_max < SNAPSHOT_WINDOW_BYTES / PAGE_BYTES
                         ? page_max
                         : SNAPSHOT_WINDOW_BYTES / PAGE_BYTES;
    snapshot_begin(&space);
}

static const struct component snapshots_component = {.steps = {[NODE_MEMORY] = begin}};
COMPONENT(snapshots_component);
