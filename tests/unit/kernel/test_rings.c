/* SPDX-License-Identifier: MIT */
/* sources: kernel/x86/rings.c tests/unit/world/panic.c */
/*
 * Tests kernel/x86/rings.c: who may write a ring's pages, and which places are believed. The tables
 * are played here; the direct map starts at address 0.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/node.h"
#include "kernel/platform.h"
#include "kernel/x86/paging.h"
#include "libc/core/pages.h"

#define NODE     1
#define PEER     2
#define RING     (16 * KIB)
#define CHANNELS 0xFFFFABCDE0000000

struct node_info node_info;

static struct node_place places[3];
static void *pages; /* the last that were allocated */
static size_t released_count;
static bool is_table_memory_gone;
static unsigned rights; /* of the ring, in this node */
static uintptr_t mapped_vaddr;
static paddr_t mapped_paddr;
static uint64_t mapped_bytes;
static unsigned mapped_flags;
static bool is_marked;
static unsigned mark_count;

void *pages_allocate(size_t page_count)
{
    pages = aligned_alloc(PAGE_BYTES, page_count * PAGE_BYTES);
    assert_non_null(pages);
    rights = PAGING_WRITE;
    return memset(pages, 0, page_count * PAGE_BYTES);
}

void pages_release(void *released, size_t page_count)
{
    assert_ptr_equal(released, pages);
    released_count += page_count;
}

int guarded_space_make_read_only(struct address_space *space, const void *start, uint64_t bytes)
{
    assert_null(space);
    assert_ptr_equal(start, pages);
    assert_int_equal(bytes, RING);
    if (is_table_memory_gone) {
        return -ENOMEM;
    }
    for (uint64_t i = 0; i < bytes; i++) {
        assert_int_equal(((uint8_t *)pages)[i], 0); /* for whoever writes it now */
    }
    rights = PAGING_READ;
    return 0;
}

struct address_space *paging_own_space(void)
{
    return NULL;
}

uint64_t address_space_translate(const struct address_space *space, uintptr_t vaddr)
{
    assert_null(space);
    return vaddr - mapped_vaddr < mapped_bytes ? mapped_paddr : ADDRESS_SPACE_NONE;
}

int guarded_space_map(struct address_space *space, uintptr_t vaddr, paddr_t paddr, uint64_t bytes,
                      unsigned flags)
{
    assert_null(space);
    assert_int_equal(mapped_bytes, 0);
    mapped_vaddr = vaddr;
    mapped_paddr = paddr;
    mapped_bytes = bytes;
    mapped_flags = flags;
    return 0;
}

void guarded_space_unmap(struct address_space *space, uintptr_t vaddr, uint64_t bytes)
{
    assert_null(space);
    assert_int_equal(vaddr, mapped_vaddr);
    assert_int_equal(bytes, mapped_bytes);
    mapped_bytes = 0;
}

/* As the checker would: a ring becomes shared when its receiver cannot write it any more. */
static void note_mark(const void *ring, size_t bytes)
{
    assert_ptr_equal(ring, pages);
    assert_int_equal(bytes, RING);
    assert_int_equal(rights, PAGING_READ);
    is_marked = true;
    mark_count++;
}

static int reset(void **state)
{
    (void)state;
    node_info = (struct node_info){
        .node = NODE, .node_count = 3, .places = places, .map = {.channels = CHANNELS}};
    memset(places, 0, sizeof(places));
    places[0] = (struct node_place){.range_count = 1, .ranges = {{0x100000, 0x100000}}};
    places[NODE] = (struct node_place){.range_count = 1, .ranges = {{0x200000, 0x100000}}};
    places[PEER] = (struct node_place){.range_count = 2,
                                       .ranges = {{0x300000, 0x100000}, {0x80000000000, 0x10000}}};
    rings_mark = note_mark;
    is_marked = false;
    mark_count = 0;
    released_count = 0;
    is_table_memory_gone = false;
    mapped_bytes = 0;
    return 0;
}

static int release(void **state)
{
    (void)state;
    free(pages);
    pages = NULL;
    return 0;
}

static void receiver_gives_up_its_right_to_write_what_it_lends(void **state)
{
    const void *ring = platform_ring_create(1, RING);

    (void)state;
    assert_ptr_equal(ring, pages);
    assert_int_equal(rights, PAGING_READ);
    assert_true(is_marked);
    assert_int_equal(platform_ring_place(ring), (uintptr_t)pages);
}

static void without_memory_for_tables_there_is_no_ring_and_none_is_lost(void **state)
{
    (void)state;
    is_table_memory_gone = true;
    assert_null(platform_ring_create(1, RING));
    assert_int_equal(released_count, RING / PAGE_BYTES);
    assert_int_equal(mark_count, 0);
}

static void sender_maps_what_lies_in_the_receivers_memory(void **state)
{
    static const paddr_t good[] = {0x300000, 0x340000, 0x3FC000, 0x80000000000, 0x8000000C000};

    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(good); i++) {
        void *ring = platform_ring_attach(PEER, good[i], RING);

        assert_int_equal((uintptr_t)ring, mapped_vaddr);
        assert_int_equal(mapped_paddr, good[i]);
        assert_int_equal(mapped_bytes, RING);
        assert_int_equal(mapped_flags, PAGING_WRITE);
        platform_ring_detach(PEER, RING);
        assert_int_equal(mapped_bytes, 0);
    }
}

/* It would write there. */
static void sender_maps_nothing_else_whatever_the_receiver_says(void **state)
{
    static const paddr_t bad[] = {
        0,
        0x100000, /* another node's */
        0x200000, /* its own */
        0x2FC000, /* up to the receiver's */
        0x2FF000, /* across its begin */
        0x3FD000, /* across its end */
        0x400000, /* behind it */
        0x300001, /* not pages */
        0x300800,
        0x80000010000, /* behind the second range */
        0x8000000D000,
        0xFEE00000, /* a device */
        0xFFFFFFFFFFFFC000,
        0xFFFFFFFFFFFFF000,
    };
    static const size_t bad_sizes[] = {0,        PAGE_BYTES, 3 * PAGE_BYTES,
                                       RING + 1, 512 * KIB,  SIZE_MAX};

    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(bad); i++) {
        assert_null(platform_ring_attach(PEER, bad[i], RING));
    }
    for (unsigned i = 0; i < ARRAY_COUNT(bad_sizes); i++) {
        assert_null(platform_ring_attach(PEER, 0x300000, bad_sizes[i]));
    }
    assert_null(platform_ring_attach(PEER, 0x80000000000, 128 * KIB)); /* longer than the range */
    assert_int_equal(mapped_bytes, 0);
}

/* There boot has made the tables. */
static void rings_lie_in_the_slots_of_their_receivers(void **state)
{
    (void)state;
    uintptr_t first = (uintptr_t)platform_ring_attach(0, 0x100000, 256 * KIB);

    mapped_bytes = 0;
    uintptr_t second = (uintptr_t)platform_ring_attach(PEER, 0x300000, 256 * KIB);

    assert_int_equal(first, CHANNELS);
    assert_int_equal(second, CHANNELS + PEER * CHANNEL_RING_MAX_BYTES);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, reset, release)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(receiver_gives_up_its_right_to_write_what_it_lends),
        TEST(without_memory_for_tables_there_is_no_ring_and_none_is_lost),
        TEST(sender_maps_what_lies_in_the_receivers_memory),
        TEST(sender_maps_nothing_else_whatever_the_receiver_says),
        TEST(rings_lie_in_the_slots_of_their_receivers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
