/* SPDX-License-Identifier: MIT */
/* sources: boot/physical.c tests/unit/world/panic.c */
/*
 * boot/physical.c: no byte of memory is given twice, whatever a firmware's map looks like, and
 * shares are equal. Each test leaves the list empty, because it is the module's own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "boot/physical.h"
#include "kernel/platform.h"

static struct node_place places[NODE_MAX];

static int empty_the_list(void **state)
{
    (void)state;
    physical_reserve((struct memory_range){0, UINT64_MAX - 0xFFF});
    assert_int_equal(physical_free_bytes(), 0);
    memset(places, 0, sizeof(places));
    return 0;
}

static void add(paddr_t paddr, uint64_t bytes)
{
    physical_add((struct memory_range){paddr, bytes});
}

static uint64_t share_bytes(unsigned node)
{
    uint64_t bytes = 0;

    for (unsigned i = 0; i < places[node].range_count; i++) {
        bytes += places[node].ranges[i].bytes;
    }
    return bytes;
}

static void assert_no_overlap(unsigned node_count)
{
    for (unsigned a = 0; a < node_count * NODE_RANGE_MAX; a++) {
        for (unsigned b = 0; b < a; b++) {
            const struct node_place *first = &places[a / NODE_RANGE_MAX];
            const struct node_place *second = &places[b / NODE_RANGE_MAX];
            const struct memory_range *one = &first->ranges[a % NODE_RANGE_MAX];
            const struct memory_range *other = &second->ranges[b % NODE_RANGE_MAX];

            if (a % NODE_RANGE_MAX < first->range_count &&
                b % NODE_RANGE_MAX < second->range_count) {
                assert_true(one->paddr + one->bytes <= other->paddr ||
                            other->paddr + other->bytes <= one->paddr);
            }
        }
    }
}

static void only_whole_pages_are_free(void **state)
{
    (void)state;
    add(0x1001, 0x2000); /* 0x1001 .. 0x3001: the pages 0x2000 alone */
    assert_int_equal(physical_free_bytes(), 0x1000);
    add(0x5FFF, 2); /* no whole page */
    assert_int_equal(physical_free_bytes(), 0x1000);
}

static void overlapping_entries_count_once(void **state)
{
    (void)state;
    add(0x10000, 0x10000);
    add(0x18000, 0x10000);
    add(0x10000, 0x1000);
    assert_int_equal(physical_free_bytes(), 0x18000);
}

static void a_reservation_takes_whole_pages_from_every_range(void **state)
{
    (void)state;
    add(0x10000, 0x4000);
    add(0x20000, 0x4000);
    physical_reserve((struct memory_range){0x12FFF, 0xE002}); /* touches 0x12000 .. 0x22000 */
    assert_int_equal(physical_free_bytes(), 0x2000 + 0x2000);
    physical_reserve((struct memory_range){0x11800, 1}); /* cuts the end off */
    assert_int_equal(physical_free_bytes(), 0x1000 + 0x2000);
}

static void allocations_come_from_below_the_limit(void **state)
{
    (void)state;
    add(0x10000, 0x4000);
    add(0x100000, 0x4000);
    assert_int_equal(physical_allocate(0x1001, 0x102000), 0x100000);
    assert_int_equal(physical_allocate(0x3000, 0x100000), 0x11000);
    assert_int_equal(physical_allocate(0x3000, UINT64_MAX), 0);
    assert_int_equal(physical_allocate(0x2000, UINT64_MAX), 0x102000);
}

static void large_pieces_come_from_the_bottom(void **state)
{
    (void)state;
    add(0x10000, 0x2000);
    add(0x100000, 0x4000);
    assert_int_equal(physical_allocate_low(0x2001), 0x100000);
    assert_int_equal(physical_allocate_low(0x2000), 0x10000);
    assert_int_equal(physical_allocate_low(0x1001), 0);
    assert_int_equal(physical_allocate_low(0x1000), 0x103000);
}

static void a_limit_takes_the_highest_memory_first(void **state)
{
    (void)state;
    add(0x10000, 0x4000);
    add(0x100000, 0x4000);
    physical_limit(UINT64_MAX);
    assert_int_equal(physical_free_bytes(), 0x8000);
    physical_limit(0x5001); /* whole pages */
    assert_int_equal(physical_free_bytes(), 0x6000);
    assert_int_equal(physical_allocate(0x2000, UINT64_MAX), 0x100000);
    physical_limit(0x4000);
    assert_int_equal(physical_free_bytes(), 0x4000);
    physical_limit(0);
    assert_int_equal(physical_free_bytes(), 0);
}

static void shares_are_equal_across_a_hole(void **state)
{
    (void)state;
    add(0x100000, 100 * MIB);
    add(0x100000000, 60 * MIB);
    physical_share(3, places);
    for (unsigned node = 0; node < 3; node++) {
        assert_int_equal(share_bytes(node), 52 * MIB);
    }
    assert_no_overlap(3);
}

/* Eight sockets of 2 TiB with holes between, and what lies out of a processor's reach. */
static void tebibytes_are_shared_like_mebibytes(void **state)
{
    const uint64_t tebibyte = 1ull << 40;

    (void)state;
    for (unsigned socket = 0; socket < 8; socket++) {
        struct memory_range range = {socket * 4 * tebibyte + 4 * GIB, 2 * tebibyte};

        physical_add(range);
        physical_set_domain(range, socket);
    }
    for (unsigned node = 0; node < NODE_MAX; node++) {
        places[node].domain = node / 8;
    }
    add((1ull << 52) - GIB, 4 * GIB);
    assert_int_equal(physical_free_bytes(), 16 * tebibyte + 4 * GIB);
    physical_reserve((struct memory_range){1ull << 46, UINT64_MAX / 2});
    assert_int_equal(physical_free_bytes(), 16 * tebibyte);
    physical_share(64, places);
    for (unsigned node = 0; node < 64; node++) {
        assert_int_equal(share_bytes(node), tebibyte / 4);
        assert_int_equal(places[node].ranges[0].paddr / (4 * tebibyte), node / 8);
    }
    assert_no_overlap(64);
}

static void nodes_get_memory_of_their_own_domain_first(void **state)
{
    (void)state;
    add(0, 64 * MIB);
    add(0x100000000, 64 * MIB);
    physical_set_domain((struct memory_range){0x100000000, 64 * MIB}, 5);
    places[0].domain = 5;
    places[1].domain = 0;
    places[2].domain = 5;
    places[3].domain = 0;
    physical_share(4, places);
    for (unsigned node = 0; node < 4; node++) {
        assert_int_equal(share_bytes(node), 32 * MIB);
        assert_int_equal(places[node].range_count, 1);
        assert_int_equal(places[node].ranges[0].paddr >= 0x100000000, node % 2 == 0);
    }
}

static void a_poor_domain_is_helped_out(void **state)
{
    (void)state;
    add(0, 96 * MIB);
    physical_set_domain((struct memory_range){80 * MIB, 1000 * MIB}, 1);
    places[1].domain = 1;
    physical_share(2, places);
    assert_int_equal(share_bytes(0), 48 * MIB);
    assert_int_equal(share_bytes(1), 48 * MIB);
    assert_int_equal(places[1].ranges[0].paddr, 80 * MIB);
    assert_no_overlap(2);
}

/* Not to the first of them alone: each has its image and its first tables there. */
static void nodes_of_a_poor_domain_have_equal_parts_of_it_first_in_their_shares(void **state)
{
    (void)state;
    add(0, 160 * MIB);
    physical_set_domain((struct memory_range){120 * MIB, 40 * MIB}, 1);
    places[0].domain = 1;
    places[3].domain = 1;
    physical_share(4, places);
    for (unsigned node = 0; node < 4; node++) {
        bool is_poor = node % 3 == 0;

        assert_int_equal(share_bytes(node), 40 * MIB);
        assert_int_equal(places[node].local_bytes, (is_poor ? 20 : 40) * MIB);
        assert_int_equal(places[node].ranges[0].bytes, places[node].local_bytes);
        assert_int_equal(places[node].ranges[0].paddr >= 120 * MIB, is_poor);
    }
    assert_no_overlap(4);
}

static void nodes_of_a_domain_without_memory_have_none_of_their_own(void **state)
{
    (void)state;
    add(0, 64 * MIB);
    places[1].domain = 1;
    physical_share(2, places);
    assert_int_equal(places[0].local_bytes, 32 * MIB);
    assert_int_equal(places[1].local_bytes, 0);
    assert_int_equal(share_bytes(1), 32 * MIB);
    assert_no_overlap(2);
}

static void a_shredded_map_shares_without_overlap(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 100; i++) {
        add(i * MIB, 512 * KIB);
    }
    physical_share(NODE_MAX, places);
    assert_no_overlap(NODE_MAX);
    for (unsigned node = 0; node < NODE_MAX; node++) {
        assert_int_equal(share_bytes(node), ALIGN_DOWN(100 * 512 * KIB / NODE_MAX, 4 * KIB));
    }
}

/* Its end, rounded up to a page, was address 0, and nothing was reserved. Found by fuzzing. */
static void a_reservation_to_the_last_address_holds(void **state)
{
    (void)state;
    add(0x100000, 0x100000);
    physical_reserve((struct memory_range){0x180000, UINT64_MAX - 0x180000});
    assert_int_equal(physical_free_bytes(), 0x80000);
}

/* Channels of a machine with one node. */
/* Rounded up it would begin at 0 and be all there is: found by fuzzing. */
static void memory_in_the_last_page_of_all_is_none(void **state)
{
    (void)state;
    add(UINT64_MAX - 0xFF, 4);
    assert_int_equal(physical_free_bytes(), 0);
    add(PAGE_BYTES, PAGE_BYTES);
    assert_int_equal(physical_free_bytes(), PAGE_BYTES);
}

static void no_bytes_have_an_address_and_take_nothing(void **state)
{
    (void)state;
    add(0x100000, 0x10000);
    assert_int_equal(physical_allocate_low(0), 0x100000);
    assert_int_equal(physical_allocate(0, 0x108000), 0x108000);
    assert_int_equal(physical_free_bytes(), 0x10000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(only_whole_pages_are_free, empty_the_list),
        cmocka_unit_test_setup(overlapping_entries_count_once, empty_the_list),
        cmocka_unit_test_setup(a_reservation_takes_whole_pages_from_every_range, empty_the_list),
        cmocka_unit_test_setup(a_reservation_to_the_last_address_holds, empty_the_list),
        cmocka_unit_test_setup(allocations_come_from_below_the_limit, empty_the_list),
        cmocka_unit_test_setup(large_pieces_come_from_the_bottom, empty_the_list),
        cmocka_unit_test_setup(memory_in_the_last_page_of_all_is_none, empty_the_list),
        cmocka_unit_test_setup(no_bytes_have_an_address_and_take_nothing, empty_the_list),
        cmocka_unit_test_setup(a_limit_takes_the_highest_memory_first, empty_the_list),
        cmocka_unit_test_setup(shares_are_equal_across_a_hole, empty_the_list),
        cmocka_unit_test_setup(tebibytes_are_shared_like_mebibytes, empty_the_list),
        cmocka_unit_test_setup(nodes_get_memory_of_their_own_domain_first, empty_the_list),
        cmocka_unit_test_setup(a_poor_domain_is_helped_out, empty_the_list),
        cmocka_unit_test_setup(nodes_of_a_poor_domain_have_equal_parts_of_it_first_in_their_shares,
                               empty_the_list),
        cmocka_unit_test_setup(nodes_of_a_domain_without_memory_have_none_of_their_own,
                               empty_the_list),
        cmocka_unit_test_setup(a_shredded_map_shares_without_overlap, empty_the_list),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
