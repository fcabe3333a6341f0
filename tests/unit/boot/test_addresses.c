/* SPDX-License-Identifier: MIT */
/* sources: boot/addresses.c libc/core/random.c tests/unit/world/panic.c */
/*
 * boot/addresses.c: where windows may lie, that none touches another, and how the draws spread.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "boot/addresses.h"
#include "kernel/limits.h"
#include "kernel/x86/layout.h"

#define NODES      16u
#define TIB        (1024 * GIB)
#define IMAGES_END 0xFFFFFFFFFFE00000

static struct random_pool pool;
static struct addresses nodes[NODE_MAX];

static void need(struct addresses *addresses, enum window window, uint64_t bytes,
                 uint64_t alignment)
{
    addresses->windows[window].bytes = bytes;
    addresses->windows[window].alignment = alignment;
}

/* Of a node of a machine with so much memory in all. */
static void need_all(struct addresses *addresses, uint64_t memory, uint64_t devices)
{
    need(addresses, WINDOW_DEVICES, devices, 2 * MIB);
    need(addresses, WINDOW_DIRECT_MAP, memory, memory >= 2 * GIB ? GIB : 2 * MIB);
    need(addresses, WINDOW_STACKS, memory / NODES, PAGE_BYTES);
    need(addresses, WINDOW_ARCHIVE, 200 * KIB, 2 * MIB);
    need(addresses, WINDOW_CHANNELS, 64 * MIB, 2 * MIB);
    need(addresses, WINDOW_SNAPSHOTS, 32 * MIB, 2 * MIB);
    need(addresses, WINDOW_STATUS_PAGES, 16 * MIB, PAGE_BYTES);
    need(addresses, WINDOW_PLACES, 2 * PAGE_BYTES, PAGE_BYTES);
    need(addresses, WINDOW_IMAGE, 1100 * KIB, PAGE_BYTES);
}

static int begin(void **state)
{
    static uint64_t seed;

    (void)state;
    memset(nodes, 0, sizeof(nodes));
    memset(&pool, 0, sizeof(pool));
    seed++;
    random_add(&pool, &seed, sizeof(seed));
    return 0;
}

static bool touch(const struct addresses *left, unsigned i, const struct addresses *right,
                  unsigned j)
{
    return left->windows[i].start <= right->windows[j].start + right->windows[j].bytes &&
           right->windows[j].start <= left->windows[i].start + left->windows[i].bytes;
}

static void assert_sound(const struct addresses *addresses)
{
    for (unsigned i = 0; i < WINDOW_COUNT; i++) {
        uintptr_t start = addresses->windows[i].start;
        uint64_t bytes = addresses->windows[i].bytes;

        assert_int_equal(start % addresses->windows[i].alignment, 0);
        if (i == WINDOW_IMAGE) {
            assert_in_range(start, IMAGE_OFFSET + GIB, IMAGES_END - bytes);
        } else {
            assert_in_range(start, UPPER_HALF, IMAGE_OFFSET - bytes);
        }
        for (unsigned j = 0; j < i; j++) {
            assert_false(touch(addresses, i, addresses, j));
        }
    }
}

static void draw_nodes(unsigned count, uint64_t memory, uint64_t devices)
{
    for (unsigned node = 0; node < count; node++) {
        need_all(&nodes[node], memory, devices);
        assert_int_equal(addresses_draw(&nodes[node], &pool, nodes, node), 0);
        assert_sound(&nodes[node]);
    }
}

static void no_window_of_a_node_touches_any_of_another(void **state)
{
    (void)state;
    draw_nodes(NODES, 64 * GIB, 8 * GIB);
    for (unsigned node = 0; node < NODES; node++) {
        for (unsigned other = 0; other < node; other++) {
            for (unsigned i = 0; i < WINDOW_COUNT * WINDOW_COUNT; i++) {
                assert_false(
                    touch(&nodes[node], i / WINDOW_COUNT, &nodes[other], i % WINDOW_COUNT));
            }
        }
    }
}

/* What one node needs is not there twice: each is sound all the same. */
static void windows_too_large_to_lie_apart_from_other_nodes_are_drawn_all_the_same(void **state)
{
    (void)state;
    draw_nodes(4, TIB, 62 * TIB);
}

static void as_many_nodes_as_there_may_be_have_images_apart(void **state)
{
    (void)state;
    draw_nodes(NODE_MAX, 32 * GIB, 8 * GIB);
    for (unsigned node = 0; node < NODE_MAX; node++) {
        for (unsigned other = 0; other < node; other++) {
            assert_false(touch(&nodes[node], WINDOW_IMAGE, &nodes[other], WINDOW_IMAGE));
        }
    }
}

static void what_has_no_room_is_refused(void **state)
{
    (void)state;
    need_all(&nodes[0], GIB, 128 * TIB);
    assert_int_equal(addresses_draw(&nodes[0], &pool, NULL, 0), -ENOSPC);
    need_all(&nodes[0], 16 * TIB, 126 * TIB);
    assert_int_equal(addresses_draw(&nodes[0], &pool, NULL, 0), -ENOSPC);
    need_all(&nodes[0], GIB, 8 * GIB);
    need(&nodes[0], WINDOW_IMAGE, GIB, PAGE_BYTES);
    assert_int_equal(addresses_draw(&nodes[0], &pool, NULL, 0), -ENOSPC);
}

/* In 16 equal parts of its range each start is about as often: 64 expected, and less than 24 or
 * more than 104 happens once in some million. The pool's seed is fixed. */
static void starts_are_spread_over_the_range(void **state)
{
    unsigned counts[WINDOW_COUNT][16] = {{0}};

    (void)state;
    need_all(&nodes[0], GIB, 4 * GIB);
    for (unsigned i = 0; i < 1024; i++) {
        assert_int_equal(addresses_draw(&nodes[0], &pool, NULL, 0), 0);
        for (unsigned j = 0; j < WINDOW_COUNT; j++) {
            uintptr_t start = nodes[0].windows[j].start;

            counts[j][j == WINDOW_IMAGE ? start >> 26 & 15 : start >> 43 & 15]++;
        }
    }
    for (unsigned i = 0; i < WINDOW_COUNT * 16; i++) {
        assert_in_range(counts[i / 16][i % 16], 24, 104);
    }
}

static void a_node_that_comes_back_has_other_addresses_but_for_its_image(void **state)
{
    struct addresses before;

    (void)state;
    draw_nodes(1, GIB, 4 * GIB);
    before = nodes[0];
    assert_int_equal(addresses_draw_again(&nodes[0], &pool), 0);
    assert_sound(&nodes[0]);
    for (unsigned i = 0; i < WINDOW_COUNT; i++) {
        assert_int_equal(nodes[0].windows[i].start == before.windows[i].start, i == WINDOW_IMAGE);
    }
}

static void fixed_addresses_are_those_that_the_linker_knows(void **state)
{
    (void)state;
    need_all(&nodes[0], 16 * TIB, DEVICES_MAX_BYTES);
    addresses_fix(&nodes[0]);
    assert_int_equal(nodes[0].windows[WINDOW_IMAGE].start, IMAGE_OFFSET + IMAGE_PADDR);
    for (unsigned i = 0; i < WINDOW_IMAGE; i++) {
        for (unsigned j = 0; j < i; j++) {
            assert_true(nodes[0].windows[i].start != nodes[0].windows[j].start);
        }
        assert_int_equal(nodes[0].windows[i].start % nodes[0].windows[i].alignment, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(no_window_of_a_node_touches_any_of_another, begin),
        cmocka_unit_test_setup(
            windows_too_large_to_lie_apart_from_other_nodes_are_drawn_all_the_same, begin),
        cmocka_unit_test_setup(as_many_nodes_as_there_may_be_have_images_apart, begin),
        cmocka_unit_test_setup(what_has_no_room_is_refused, begin),
        cmocka_unit_test_setup(starts_are_spread_over_the_range, begin),
        cmocka_unit_test_setup(a_node_that_comes_back_has_other_addresses_but_for_its_image, begin),
        cmocka_unit_test_setup(fixed_addresses_are_those_that_the_linker_knows, begin),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
