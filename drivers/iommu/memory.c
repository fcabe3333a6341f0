/* SPDX-License-Identifier: MIT */
/*
 * The part of a node's memory that devices may write to: the end of its largest range, by a rule
 * that boot and the node both know. It is set aside before the allocator gets the rest.
 */
#include "drivers/iommu/iommu.h"
#include "kernel/component.h"
#include "kernel/limits.h"
#include "kernel/node.h"
#include "kernel/platform.h"

/* Chosen: an eighth of a node's memory, but what a card's queue starts with at the least. */
#define WRITABLE_PART      8
#define WRITABLE_MIN_BYTES (2304 * KIB)
/* With fewer large pages the tables are as small, and faster to walk. */
#define LARGE_PAGE_BYTES   (2 * MIB)

static struct memory_range own;

struct memory_range iommu_writable_range(const struct node_place *place)
{
    const uint64_t most = node_info.machine.dma_bytes;
    struct memory_range largest = {0, 0};
    uint64_t bytes = 0;

    for (unsigned i = 0; i < place->range_count; i++) {
        bytes += place->ranges[i].bytes;
        largest = place->ranges[i].bytes > largest.bytes ? place->ranges[i] : largest;
    }
    bytes = ALIGN_DOWN(bytes / WRITABLE_PART, (uint64_t)PAGE_BYTES);
    bytes = bytes < WRITABLE_MIN_BYTES ? WRITABLE_MIN_BYTES : bytes < most ? bytes : most;
    if (most == 0 || largest.bytes / 2 < bytes + LARGE_PAGE_BYTES) {
        return (struct memory_range){0, 0};
    }
    paddr_t end = largest.paddr + largest.bytes;
    paddr_t start = ALIGN_DOWN(end - bytes, (paddr_t)LARGE_PAGE_BYTES);

    return (struct memory_range){start, end - start};
}

/* Image and page tables were taken from the ranges' starts. */
static void set_aside(void)
{
    own = (struct memory_range){0, 0};
    if (node_set_has(&node_info.machine.dma_nodes, node_info.node)) {
        own = iommu_writable_range(&node_info.places[node_info.node]);
    }
    for (unsigned i = 0; i < node_info.range_count && own.bytes != 0; i++) {
        struct memory_range *range = &node_info.ranges[i];

        if (memory_ranges_hold(range, 1, own.paddr, own.bytes)) {
            range->bytes = own.paddr - range->paddr;
            return;
        }
    }
    own.bytes = 0;
}

void *iommu_allocate_pages(const struct memory_kind *kind, size_t page_count)
{
    const uint64_t bytes = (uint64_t)page_count * PAGE_BYTES;
    void *pages = NULL;

    if (node_info.machine.dma_bytes == 0) {
        return memory_allocate_pages(kind, page_count);
    }
    if (bytes <= own.bytes && !memory_is_refused(kind)) {
        own.bytes -= bytes;
        pages = (void *)(node_info.map.direct_map + own.paddr + own.bytes);
    }
    (void)memory_count_taken(kind, pages, bytes);
    return pages;
}

bool iommu_is_memory_of(node_id_t node, bus_addr_t address)
{
    const struct node_place *place = &node_info.places[node];

    ASSERT(node < node_info.node_count);
    return memory_ranges_hold(place->ranges, place->range_count, address, 1);
}

static const struct component memory_component = {.steps = {[NODE_FIRST] = set_aside}};
COMPONENT(memory_component);
