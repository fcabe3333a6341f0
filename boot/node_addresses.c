/* SPDX-License-Identifier: MIT */
/*
 * How large each window of a node is: by its memory, the machine's devices, and how many nodes
 * there are. The direct map begins at physical address 0, so it reaches to the end of the node's
 * memory.
 */
#include "boot/node_addresses.h"

#include "boot/image.h"
#include "kernel/log.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "kernel/x86/layout.h"
#include "kernel/x86/paging.h"
#include "libc/core/random.h"
#include "libc/core/snapshot.h"

#define LARGE_PAGE_BYTES (2 * MIB)

/* Behind its last byte of memory, so that the direct map reaches it. */
static paddr_t memory_end(const struct node_place *place)
{
    paddr_t end = 0;

    for (unsigned i = 0; i < place->range_count; i++) {
        paddr_t range_end = place->ranges[i].paddr + place->ranges[i].bytes;

        end = range_end > end ? range_end : end;
    }
    return end;
}

/* Whether large parts of it can be mapped by entries of a gigabyte. */
static bool has_whole_gibs(const struct node_place *place)
{
    for (unsigned i = 0; i < place->range_count; i++) {
        if (place->ranges[i].bytes >= 2 * GIB) {
            return paging_has_1gib_pages();
        }
    }
    return false;
}

/* Behind all registers that a driver may ask for, and the screen. */
static paddr_t devices_end(void)
{
    const struct ranges *devices = &node_info.machine.devices;
    const struct framebuffer_info *screen = &node_info.framebuffer;
    paddr_t end = BOOT_MAPPED_BYTES; /* with all that is where it always was */
    paddr_t screen_end = screen->paddr + (uint64_t)screen->pitch_bytes * screen->height;

    for (unsigned i = 0; i < devices->count; i++) {
        paddr_t device_end = devices->list[i].start + devices->list[i].bytes;

        if (device_end > end && devices->list[i].bytes < DEVICES_MAX_BYTES) {
            end = device_end;
        }
    }
    end = screen_end > end ? screen_end : end;
    return end < DEVICES_MAX_BYTES ? ALIGN_UP(end, LARGE_PAGE_BYTES) : DEVICES_MAX_BYTES;
}

static void need(struct addresses *addresses, enum window window, uint64_t bytes,
                 uint64_t alignment)
{
    addresses->windows[window].bytes = ALIGN_UP(bytes, (uint64_t)PAGE_BYTES);
    addresses->windows[window].alignment = alignment;
}

static void need_all(struct addresses *addresses, const struct node_layout *layout, unsigned node)
{
    const struct node_place *place = &layout->places[node];
    const uint64_t stack_bytes = node_image_memory_bytes(place);

    need(addresses, WINDOW_IMAGE, bytes_between(image_start, image_end), PAGE_BYTES);
    need(addresses, WINDOW_DIRECT_MAP, memory_end(place),
         has_whole_gibs(place) ? GIB : LARGE_PAGE_BYTES);
    /* As many as there is memory for, with the pages between them. */
    need(addresses, WINDOW_STACKS,
         stack_bytes + (stack_bytes / THREAD_STACK_BYTES + 1) * PAGE_BYTES, PAGE_BYTES);
    need(addresses, WINDOW_STATUS_PAGES, layout->node_count * (uint64_t)STATUS_SLOT_BYTES,
         PAGE_BYTES);
    need(addresses, WINDOW_CHANNELS,
         ALIGN_UP(layout->node_count * CHANNEL_RING_MAX_BYTES, LARGE_PAGE_BYTES), LARGE_PAGE_BYTES);
    need(addresses, WINDOW_PLACES, layout->node_count * sizeof(struct node_place), PAGE_BYTES);
    need(addresses, WINDOW_ARCHIVE, node_info.archive_bytes, LARGE_PAGE_BYTES);
    need(addresses, WINDOW_SNAPSHOTS, SNAPSHOT_WINDOW_BYTES, LARGE_PAGE_BYTES);
    need(addresses, WINDOW_DEVICES, devices_end(), LARGE_PAGE_BYTES);
}

/* Numbers that nothing else is drawn from, out of the node's secret, which is another each time. */
static struct random_pool start_drawing(const struct node_plan *plan)
{
    struct random_pool pool = {.drawn_count = 0};

    random_add(&pool, plan->random_seed, sizeof(plan->random_seed));
    return pool;
}

void node_addresses_choose(const struct node_layout *layout, unsigned node)
{
    struct addresses *addresses = &layout->addresses[node];
    struct random_pool pool = start_drawing(&layout->plans[node]);

    need_all(addresses, layout, node);
    if (layout->has_fixed_addresses) {
        addresses_fix(addresses);
    } else if (addresses_draw(addresses, &pool, layout->addresses, node) != 0) {
        log_warning("boot", "node %u is too large for addresses of its own", node);
        addresses_fix(addresses);
    }
}

void node_addresses_move(const struct node_layout *layout, unsigned node)
{
    struct addresses moved = layout->addresses[node];
    struct random_pool pool = start_drawing(&layout->plans[node]);

    if (!layout->has_fixed_addresses && addresses_draw_again(&moved, &pool) == 0) {
        layout->addresses[node] = moved;
    }
}

uintptr_t node_addresses_start(const struct node_layout *layout, unsigned node, enum window window)
{
    return layout->addresses[node].windows[window].start;
}

uint64_t node_addresses_slide(const struct node_layout *layout, unsigned node)
{
    return node_addresses_start(layout, node, WINDOW_IMAGE) - (uintptr_t)image_start;
}

uintptr_t node_addresses_stack_top(const struct node_layout *layout, unsigned node)
{
    return node_addresses_start(layout, node, WINDOW_STACKS) + PAGE_BYTES + THREAD_STACK_BYTES;
}

struct node_map node_addresses_map(const struct node_layout *layout, unsigned node)
{
    const struct addresses *addresses = &layout->addresses[node];

    return (struct node_map){
        .image_slide = node_addresses_slide(layout, node),
        .direct_map = node_addresses_start(layout, node, WINDOW_DIRECT_MAP),
        .direct_bytes = addresses->windows[WINDOW_DIRECT_MAP].bytes,
        .status_pages = node_addresses_start(layout, node, WINDOW_STATUS_PAGES),
        .channels = node_addresses_start(layout, node, WINDOW_CHANNELS),
        .archive = node_addresses_start(layout, node, WINDOW_ARCHIVE),
        .snapshots = node_addresses_start(layout, node, WINDOW_SNAPSHOTS),
        .devices = node_addresses_start(layout, node, WINDOW_DEVICES),
        .device_bytes = addresses->windows[WINDOW_DEVICES].bytes,
    };
}
