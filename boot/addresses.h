/* SPDX-License-Identifier: MIT */
/*
 * Which virtual addresses a node has: a window for each thing that it maps, drawn at random for
 * each node at each boot, and but for the image's again when the node comes back. No two windows of
 * a node touch, and no window of one node overlaps one of another, as long as there is room: so an
 * address of one node is none on another.
 *
 * The image lies in the upper GiB, by the page: 18 bits. All else lies in the rest of the upper
 * half, 47 bits: the direct map by 2 MiB, 26 bits, or by 1 GiB, 17, where it has such pages; stacks
 * and status pages by the page, 35 bits; and so on.
 */
#pragma once

#include "kernel/base.h"
#include "libc/core/random.h"

/* Drawn in this order: the largest first. */
enum window {
    WINDOW_DEVICES,
    WINDOW_DIRECT_MAP,
    WINDOW_STACKS,
    WINDOW_ARCHIVE,
    WINDOW_CHANNELS,
    WINDOW_SNAPSHOTS,
    WINDOW_STATUS_PAGES,
    WINDOW_PLACES,
    WINDOW_IMAGE,

    WINDOW_COUNT
};

struct addresses {
    struct {
        uintptr_t start; /* the draw's result */
        uint64_t bytes;
        uint64_t alignment;
    } windows[WINDOW_COUNT];
};

/* Draw where each window starts, apart from those of `others`, of which there are so many. Returns
 * 0, or -ENOSPC when a window finds no place beside this node's own. */
MUST_CHECK int addresses_draw(struct addresses *addresses, struct random_pool *pool,
                              const struct addresses *others, unsigned other_count);
/* The same again without a look at others, and the image stays. */
MUST_CHECK int addresses_draw_again(struct addresses *addresses, struct random_pool *pool);
/* The same on every node and in every boot, the image as linked: for who looks at a machine from
 * outside, by the addresses that the linker has given. */
void addresses_fix(struct addresses *addresses);
