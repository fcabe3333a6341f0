/* SPDX-License-Identifier: MIT */
/*
 * Windows are drawn until one fits. With at most a quarter of the space in use most draws do.
 */
#include "boot/addresses.h"

#include <errno.h>

#include "kernel/limits.h"
#include "kernel/platform.h"
#include "kernel/x86/layout.h"
#include "libc/core/random.h"

/* Chosen: where half of all draws fit, as many fail once in 2^64 windows. From then on the others
 * are not looked at: there may be more nodes than have room. */
#define APART_TRIES 64u
#define TRIES       1024u

/* The image's part of the upper half ends where no sum with an address wraps around, and begins
 * behind the image as it was loaded, which keeps what it was linked at (boot/gate.S). */
#define IMAGES_START (IMAGE_OFFSET + GIB)
#define IMAGES_END   (UINT64_MAX - 2 * MIB + 1)

static uintptr_t range_start(enum window window)
{
    return window == WINDOW_IMAGE ? IMAGES_START : UPPER_HALF;
}

static uintptr_t range_end(enum window window)
{
    return window == WINDOW_IMAGE ? IMAGES_END : IMAGE_OFFSET;
}

/* Or touch: a page at least lies between windows. */
static bool overlap(const struct addresses *left, enum window left_window,
                    const struct addresses *right, enum window right_window)
{
    uintptr_t left_start = left->windows[left_window].start;
    uintptr_t right_start = right->windows[right_window].start;

    return left_start <= right_start + right->windows[right_window].bytes &&
           right_start <= left_start + left->windows[left_window].bytes;
}

/* Whether it overlaps any of the first `count` windows there. */
static bool overlaps_any(const struct addresses *addresses, enum window window,
                         const struct addresses *there, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (overlap(addresses, window, there, (enum window)i)) {
            return true;
        }
    }
    return false;
}

static bool overlaps_others(const struct addresses *addresses, enum window window,
                            const struct addresses *others, unsigned other_count)
{
    for (unsigned i = 0; i < other_count; i++) {
        if (overlaps_any(addresses, window, &others[i], WINDOW_COUNT)) {
            return true;
        }
    }
    return false;
}

static int draw_window(struct addresses *addresses, enum window window, struct random_pool *pool,
                       const struct addresses *others, unsigned other_count)
{
    const uint64_t alignment = addresses->windows[window].alignment;
    const uint64_t bytes = addresses->windows[window].bytes;
    const uint64_t range_bytes = range_end(window) - range_start(window);

    ASSERT(IS_POWER_OF_TWO(alignment) && alignment >= PAGE_BYTES && alignment <= GIB);
    for (unsigned i = 0; i < TRIES && bytes <= range_bytes; i++) {
        uint64_t step = random_take(pool) % ((range_bytes - bytes) / alignment + 1);

        addresses->windows[window].start = range_start(window) + step * alignment;
        if (!overlaps_any(addresses, window, addresses, window) &&
            (i >= APART_TRIES || !overlaps_others(addresses, window, others, other_count))) {
            return 0;
        }
    }
    return -ENOSPC;
}

static int draw_first(struct addresses *addresses, unsigned window_count, struct random_pool *pool,
                      const struct addresses *others, unsigned other_count)
{
    int error = 0;

    for (unsigned i = 0; i < window_count && error == 0; i++) {
        error = draw_window(addresses, (enum window)i, pool, others, other_count);
    }
    return error;
}

int addresses_draw(struct addresses *addresses, struct random_pool *pool,
                   const struct addresses *others, unsigned other_count)
{
    return draw_first(addresses, WINDOW_COUNT, pool, others, other_count);
}

int addresses_draw_again(struct addresses *addresses, struct random_pool *pool)
{
    return draw_first(addresses, WINDOW_IMAGE, pool, NULL, 0);
}

void addresses_fix(struct addresses *addresses)
{
    static const uintptr_t starts[WINDOW_COUNT] = {
        [WINDOW_DIRECT_MAP] = DIRECT_MAP_BASE,       [WINDOW_STATUS_PAGES] = 0xFFFF900000000000,
        [WINDOW_CHANNELS] = 0xFFFF980000000000,      [WINDOW_PLACES] = 0xFFFF9C0000000000,
        [WINDOW_ARCHIVE] = 0xFFFFA00000000000,       [WINDOW_SNAPSHOTS] = 0xFFFFA80000000000,
        [WINDOW_STACKS] = 0xFFFFB00000000000,        [WINDOW_DEVICES] = 0xFFFFC00000000000,
        [WINDOW_IMAGE] = IMAGE_OFFSET + IMAGE_PADDR,
    };

    for (unsigned i = 0; i < WINDOW_COUNT; i++) {
        addresses->windows[i].start = starts[i];
    }
}
