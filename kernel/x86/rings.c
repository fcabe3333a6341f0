/* SPDX-License-Identifier: MIT */
/*
 * Memory of channels (kernel/platform.h). The receiver takes pages of its own and gives up its
 * right to write them; then the sender maps them. So a page has one writer at every moment, and it
 * is not used again when the sender is dead, for what says so might be wrong.
 */
#include "kernel/message/channel.h"
#include "kernel/node.h"
#include "kernel/platform.h"
#include "kernel/x86/paging.h"
#include "libc/core/guarded_space.h"
#include "libc/core/pages.h"

void (*rings_mark)(const void *ring, size_t bytes);

const void *platform_ring_create(node_id_t from, size_t bytes)
{
    (void)from; /* it maps what it is told of */
    ASSERT(channel_is_ring_size(bytes));
    void *ring = pages_allocate(bytes / PAGE_BYTES);

    if (ring == NULL) {
        return NULL;
    }
    if (guarded_space_make_read_only(paging_own_space(), ring, bytes) != 0) {
        pages_release(ring, bytes / PAGE_BYTES);
        return NULL;
    }
    if (rings_mark != NULL) {
        rings_mark(ring, bytes);
    }
    return ring;
}

uint64_t platform_ring_place(const void *ring)
{
    return (uintptr_t)ring - node_info.map.direct_map;
}

static uintptr_t ring_vaddr(node_id_t to)
{
    ASSERT(to < node_info.node_count && to != node_info.node);
    return node_info.map.channels + to * CHANNEL_RING_MAX_BYTES;
}

void *platform_ring_attach(node_id_t to, uint64_t place, size_t bytes)
{
    const struct node_place *receiver = &node_info.places[to];
    uintptr_t vaddr = ring_vaddr(to);

    if (place % PAGE_BYTES != 0 || !channel_is_ring_size(bytes) ||
        !memory_ranges_hold(receiver->ranges, receiver->range_count, place, bytes)) {
        return NULL;
    }
    ASSERT(address_space_translate(paging_own_space(), vaddr) == ADDRESS_SPACE_NONE);
    int error = guarded_space_map(paging_own_space(), vaddr, place, bytes, PAGING_WRITE);

    ASSERT(error == 0); /* boot has made the tables */
    return (void *)vaddr;
}

void platform_ring_detach(node_id_t to, size_t bytes)
{
    guarded_space_unmap(paging_own_space(), ring_vaddr(to), bytes);
}
