/* SPDX-License-Identifier: MIT */
/* sources: libc/core/pages.c libc/core/memory.c kernel/message/channel.c kernel/message/status.c */
/* sources: tests/unit/world/fake_platform.c */
/*
 * libc/core/memory.c over libc/core/pages.c, on ranges that the test gives them: what is
 * handed out is aligned, never overlaps, and all comes back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/limits.h"
#include "kernel/node.h"
#include "libc/core/assert.h"
#include "libc/core/memory.h"
#include "libc/core/pages.h"

#define RANGE_PAGES     4096u
#define ODD_RANGE_PAGES 777u

MEMORY_KIND(kind, "test");

static uint64_t random_state = 1;

/* What the ranges hold apart from their books. */
static struct {
    const uint8_t *start, *end;
} given[2];

static void fail_assertion(const char *file, int line, const char *condition)
{
    mock_assert(false, condition, file, line);
}

static uint32_t random_below(uint32_t limit)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(random_state >> 33) % limit;
}

/* One range that is aligned to its size, and one that is aligned to nothing but a page. */
static int add_ranges(void **state)
{
    uint8_t *aligned =
        aligned_alloc(RANGE_PAGES * (size_t)PAGE_BYTES, RANGE_PAGES * (size_t)PAGE_BYTES);
    uint8_t *odd = aligned_alloc(16 * PAGE_BYTES, (ODD_RANGE_PAGES + 15) / 16 * 16 * PAGE_BYTES);

    static const struct memory_source source = {
        .allocate = pages_allocate_raw,
        .release = pages_release,
    };

    (void)state;
    memory_set_source(&source);
    core_assertion_failed = fail_assertion;
    assert_non_null(aligned);
    assert_non_null(odd);
    memset(aligned, 0xA5, RANGE_PAGES * (size_t)PAGE_BYTES);
    pages_add_range(aligned, RANGE_PAGES * (uint64_t)PAGE_BYTES);
    pages_add_range(odd + PAGE_BYTES, (ODD_RANGE_PAGES - 1) * (uint64_t)PAGE_BYTES);
    given[0].start = aligned + PAGE_BYTES;
    given[0].end = aligned + RANGE_PAGES * (size_t)PAGE_BYTES;
    given[1].start = odd + 2 * PAGE_BYTES;
    given[1].end = odd + ODD_RANGE_PAGES * (size_t)PAGE_BYTES;
    return 0;
}

static void pages_are_zeroed_and_aligned_to_their_power_of_two(void **state)
{
    uint64_t free_bytes = pages_free_bytes();

    (void)state;
    for (size_t count = 1; count <= 33; count++) {
        uint8_t *pages = pages_allocate(count);
        size_t alignment = PAGE_BYTES;

        while (alignment < count * PAGE_BYTES) {
            alignment *= 2;
        }
        assert_non_null(pages);
        assert_int_equal((uintptr_t)pages % alignment, 0);
        for (size_t i = 0; i < count * PAGE_BYTES; i++) {
            assert_int_equal(pages[i], 0);
        }
        assert_int_equal(pages_free_bytes(), free_bytes - count * PAGE_BYTES);
        memset(pages, 0xA5, count * PAGE_BYTES);
        pages_release(pages, count);
        assert_int_equal(pages_free_bytes(), free_bytes);
    }
}

static void runs_that_cannot_be_had_are_refused(void **state)
{
    (void)state;
    assert_null(pages_allocate(0));
    assert_null(pages_allocate(RANGE_PAGES));
    assert_null(pages_allocate(SIZE_MAX));
    assert_null(memory_allocate(&kind, SIZE_MAX));
    assert_null(memory_allocate(&kind, RANGE_PAGES * (size_t)PAGE_BYTES));
}

/* Fragments join again: after everything has come back the longest run can be had as before. */
static void all_pages_can_be_taken_and_join_again(void **state)
{
    static void *pages[RANGE_PAGES + ODD_RANGE_PAGES];
    size_t count = 0;

    (void)state;
    while ((pages[count] = pages_allocate_raw(1, 0)) != NULL) {
        count++;
    }
    assert_int_equal(pages_free_bytes(), 0);
    assert_int_equal(count * PAGE_BYTES, pages_total_bytes());
    for (size_t i = count; i > 1; i--) {
        size_t other = random_below((uint32_t)i);
        void *page = pages[other];

        pages[other] = pages[i - 1];
        pages[i - 1] = page;
    }
    for (size_t i = 0; i < count; i++) {
        pages_release(pages[i], 1);
    }
    assert_int_equal(pages_free_bytes(), pages_total_bytes());
    void *run = pages_allocate(RANGE_PAGES / 2);

    assert_non_null(run);
    pages_release(run, RANGE_PAGES / 2);
}

static void blocks_have_their_alignment_and_size(void **state)
{
    (void)state;
    for (size_t bytes = 0; bytes < 40000; bytes += 1 + bytes / 13) {
        uint8_t *block = memory_allocate(&kind, bytes);

        assert_non_null(block);
        assert_int_equal((uintptr_t)block % (bytes >= 64 ? 64 : 16), 0);
        memset(block, 0x5A, bytes);
        memory_release(&kind, block);
    }
}

static void zeroed_blocks_are_zero_when_used_again(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        uint8_t *block = memory_allocate_zeroed(&kind, 1000);

        for (size_t j = 0; j < 1000; j++) {
            assert_int_equal(block[j], 0);
        }
        memset(block, 0xFF, 1000);
        memory_release(&kind, block);
    }
}

static void resizing_keeps_the_content(void **state)
{
    uint8_t *block = memory_resize(&kind, NULL, 10);

    (void)state;
    for (size_t bytes = 10; bytes < 100000; bytes = bytes * 3 / 2) {
        memset(block, (int)(bytes & 0x7F), bytes);
        block = memory_resize(&kind, block, bytes * 3 / 2);
        assert_non_null(block);
        for (size_t i = 0; i < bytes; i++) {
            assert_int_equal(block[i], bytes & 0x7F);
        }
    }
    assert_null(memory_resize(&kind, block, RANGE_PAGES * (size_t)PAGE_BYTES));
    block = memory_resize(&kind, block, 5);
    assert_int_equal(block[4], block[0]);
    memory_release(&kind, block);
}

/* Memory in use: a block, or a run of pages. */
struct piece {
    uint8_t *start;
    size_t bytes;
    uint8_t mark; /* what it is filled with */
    bool is_pages;
};

/* It lies in memory that was given, and no byte of it is another piece's. */
static void check_place(const struct piece *pieces, size_t count, const struct piece *checked)
{
    const uint8_t *end = checked->start + checked->bytes;

    assert_true((checked->start >= given[0].start && end <= given[0].end) ||
                (checked->start >= given[1].start && end <= given[1].end));
    for (size_t i = 0; i < count; i++) {
        if (pieces[i].start != NULL && &pieces[i] != checked) {
            assert_true(end <= pieces[i].start ||
                        pieces[i].start + pieces[i].bytes <= checked->start);
        }
    }
}

static void check_content(const struct piece *piece, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        assert_int_equal(piece->start[i], piece->mark);
    }
}

static size_t random_bytes(void)
{
    return random_below(random_below(20) == 0 ? 40000 : 600) + 1;
}

static void take_piece(struct piece *piece, unsigned step)
{
    piece->mark = (uint8_t)step;
    piece->is_pages = random_below(10) == 0;
    if (piece->is_pages) {
        size_t page_count = random_below(9) + 1;

        piece->bytes = page_count * PAGE_BYTES;
        piece->start = pages_allocate_raw(page_count, 0);
    } else {
        piece->bytes = random_bytes();
        piece->start = memory_allocate(&kind, piece->bytes);
    }
    assert_non_null(piece->start);
}

static void release_piece(struct piece *piece)
{
    if (piece->is_pages) {
        pages_release(piece->start, piece->bytes / PAGE_BYTES);
    } else {
        memory_release(&kind, piece->start);
    }
    piece->start = NULL;
}

/* What one holds cannot show it: a byte that two share may stand where neither looks. So each place
 * is compared with all others; and each is filled to its end, for what the allocator itself keeps
 * between them. */
static void blocks_never_overlap_under_random_use(void **state)
{
    static struct piece pieces[300];

    (void)state;
    for (unsigned step = 0; step < 30000; step++) {
        struct piece *piece = &pieces[random_below(ARRAY_COUNT(pieces))];

        if (piece->start == NULL) {
            take_piece(piece, step);
        } else if (piece->is_pages || random_below(4) != 0) {
            check_content(piece, piece->bytes);
            release_piece(piece);
            continue;
        } else {
            size_t bytes = random_bytes();

            piece->start = memory_resize(&kind, piece->start, bytes);
            assert_non_null(piece->start);
            check_content(piece, bytes < piece->bytes ? bytes : piece->bytes);
            piece->bytes = bytes;
        }
        check_place(pieces, ARRAY_COUNT(pieces), piece);
        memset(piece->start, piece->mark, piece->bytes);
    }
    for (size_t i = 0; i < ARRAY_COUNT(pieces); i++) {
        if (pieces[i].start != NULL) {
            check_content(&pieces[i], pieces[i].bytes);
            release_piece(&pieces[i]);
        }
    }
    /* What stays is at most one empty chunk a class. */
    assert_in_range(pages_total_bytes() - pages_free_bytes(), 0, 32 * 64 * KIB);
}

/* What was written to is mended afterwards, for the tests that follow. */
static void write_after_the_release_of_a_block_is_found_when_it_is_used_again(void **state)
{
    uint64_t *block = memory_allocate(&kind, 200);
    uint64_t *kept = memory_allocate(&kind, 200); /* so that the chunk is kept */

    (void)state;
    assert_non_null(block);
    assert_non_null(kept);
    memory_release(&kind, block);
    for (size_t word = 1; word < 200 / sizeof(*block); word += 7) {
        uint64_t pattern = block[word];

        block[word] = 1;
        expect_assert_failure(memory_allocate(&kind, 200));
        block[word] = pattern;
    }
    assert_ptr_equal(memory_allocate(&kind, 200), block);
    memory_release(&kind, block);
    memory_release(&kind, kept);
}

static void write_after_the_release_of_pages_is_found_when_they_are_used_again(void **state)
{
    static void *taken[RANGE_PAGES + ODD_RANGE_PAGES];
    static size_t count; /* static: what follows an assertion comes back by longjmp() */

    (void)state;
    while ((taken[count] = pages_allocate_raw(1, 0)) != NULL) {
        count++;
    }
    uint64_t *page = taken[count / 2]; /* the only free one, so that it is the next */

    pages_release(page, 1);
    for (size_t word = 2; word < PAGE_BYTES / sizeof(*page); word += 101) {
        uint64_t pattern = page[word];

        page[word] = 1;
        expect_assert_failure(pages_allocate(1));
        page[word] = pattern;
    }
    assert_ptr_equal(pages_allocate_raw(1, 0), page);
    for (size_t i = 0; i < count; i++) {
        pages_release(taken[i], 1);
    }
}

static void block_that_is_released_twice_is_noticed(void **state)
{
    uint64_t *block = memory_allocate(&kind, 1000);
    uint64_t *kept = memory_allocate(&kind, 1000);

    (void)state;
    assert_non_null(block);
    assert_non_null(kept);
    memory_release(&kind, block);
    expect_assert_failure(memory_release(&kind, block));
    expect_assert_failure(memory_release(&kind, (uint8_t *)kept + 16)); /* inside a block */
    memory_release(&kind, kept);
}

static void pages_that_are_released_twice_are_noticed(void **state)
{
    void *pages = pages_allocate(4);

    (void)state;
    assert_non_null(pages);
    pages_release(pages, 4);
    expect_assert_failure(pages_release(pages, 4));
    expect_assert_failure(pages_release(pages, RANGE_PAGES));
    expect_assert_failure(pages_release((uint8_t *)pages + 1, 1));
}

/* Nobody may live on what was there before. */
static void new_memory_holds_nothing_of_before(void **state)
{
    uint8_t *block = memory_allocate(&kind, 300);

    (void)state;
    assert_non_null(block);
    memset(block, 0, 300);
    memory_release(&kind, block);
    block = memory_allocate(&kind, 300);
    for (size_t i = 0; i < 300; i++) {
        assert_int_equal(block[i], 0xA5);
    }
    memory_release(&kind, block);
}

/* A range that holds nothing but its book would use up a place in the node's table of ranges. */
static void ranges_without_room_count_for_nothing(void **state)
{
    uint8_t *page = aligned_alloc(PAGE_BYTES, PAGE_BYTES);
    uint64_t total_bytes = pages_total_bytes();

    (void)state;
    assert_non_null(page);
    for (unsigned i = 0; i <= NODE_RANGE_MAX; i++) {
        pages_add_range(page, PAGE_BYTES);
    }
    assert_int_equal(pages_total_bytes(), total_bytes);
    assert_int_equal(pages_free_bytes() % PAGE_BYTES, 0);
    free(page);
}

/* How many blocks of that size come from one chunk; all are released again. */
static unsigned blocks_in_a_chunk(size_t bytes)
{
    static void *blocks[9000];
    unsigned count = 0, in_chunk = 0;
    uint64_t free_bytes;

    /* The chunk that has room may be partly used: the one after it is looked at. */
    for (unsigned chunk = 0; chunk < 2; chunk++) {
        free_bytes = pages_free_bytes();
        in_chunk = 0;
        do {
            assert_true(count < ARRAY_COUNT(blocks));
            blocks[count] = memory_allocate(&kind, bytes);
            assert_non_null(blocks[count]);
            count++;
            in_chunk++;
        } while (pages_free_bytes() == free_bytes);
    }
    for (unsigned i = 0; i < count; i++) {
        memory_release(&kind, blocks[i]);
    }
    return in_chunk;
}

/* By the table in memory.c: 64 KiB less a header of 64 bytes, divided by the class's size. */
static void blocks_are_no_larger_than_their_class(void **state)
{
    static const struct {
        size_t bytes, class_bytes;
    } cases[] = {
        {0, 16},      {1, 16},       {16, 16},       {17, 32},       {32, 32},       {33, 48},
        {48, 48},     {49, 64},      {64, 64},       {65, 128},      {448, 448},     {449, 512},
        {512, 512},   {513, 640},    {640, 640},     {641, 768},     {768, 768},     {769, 896},
        {896, 896},   {897, 1024},   {1024, 1024},   {1025, 1280},   {4096, 4096},   {4097, 5120},
        {8192, 8192}, {8193, 10240}, {12289, 14336}, {14337, 16384}, {16384, 16384},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        assert_int_equal(blocks_in_a_chunk(cases[i].bytes), (64 * KIB - 64) / cases[i].class_bytes);
    }
}

/* Whichever chunks become full, have room again and become empty meanwhile, none is forgotten: four
 * of three blocks each, in every order of two releases. */
static void room_in_any_chunk_is_used_again(void **state)
{
    static uint8_t *blocks[12];
    uint64_t at_start = pages_free_bytes();

    (void)state;
    for (unsigned first = 0; first < ARRAY_COUNT(blocks); first++) {
        for (unsigned second = 0; second < ARRAY_COUNT(blocks); second++) {
            for (unsigned i = 0; i < ARRAY_COUNT(blocks); i++) {
                blocks[i] = memory_allocate(&kind, 16 * KIB);
                assert_non_null(blocks[i]);
            }
            uint64_t when_full = pages_free_bytes();

            assert_true(when_full <= at_start - 3 * 64 * KIB);
            memory_release(&kind, blocks[first]);
            if (second != first) {
                memory_release(&kind, blocks[second]);
                blocks[second] = memory_allocate(&kind, 16 * KIB);
            }
            blocks[first] = memory_allocate(&kind, 16 * KIB);
            assert_int_equal(pages_free_bytes(), when_full);
            for (unsigned i = 0; i < ARRAY_COUNT(blocks); i++) {
                memory_release(
                    &kind, blocks[(first + i * (second % 2 == 0 ? 1 : 5)) % ARRAY_COUNT(blocks)]);
            }
            /* One empty chunk may stay; all others have gone back. */
            assert_in_range(at_start + 64 * KIB - pages_free_bytes(), 0, 128 * KIB);
        }
    }
}

/* A node that allocates and releases one block in turn builds no chunk each time. */
static void last_chunk_stays_for_the_next_block(void **state)
{
    void *block = memory_allocate(&kind, 16 * KIB);
    uint64_t free_bytes = pages_free_bytes();

    (void)state;
    assert_non_null(block);
    memory_release(&kind, block);
    assert_int_equal(pages_free_bytes(), free_bytes);
    assert_ptr_equal(memory_allocate(&kind, 16 * KIB), block);
    memory_release(&kind, block);
}

/* A block of 640 bytes: up to there it grows, and down to a half it shrinks, where it lies. */
static void resizing_stays_in_place_while_it_fits_and_half_is_used(void **state)
{
    uint8_t *block = memory_allocate(&kind, 513);
    uint8_t *run = memory_allocate(&kind, 16 * KIB + 1);

    (void)state;
    assert_non_null(block);
    assert_non_null(run);
    assert_ptr_equal(memory_resize(&kind, block, 640), block);
    assert_ptr_equal(memory_resize(&kind, block, 320), block);
    uint8_t *smaller = memory_resize(&kind, block, 319);

    assert_non_null(smaller);
    assert_ptr_not_equal(smaller, block);
    uint8_t *larger = memory_resize(&kind, smaller, 321);

    assert_ptr_not_equal(larger, smaller);
    memory_release(&kind, larger);
    /* Five pages less the header. */
    assert_ptr_equal(memory_resize(&kind, run, 5 * PAGE_BYTES - 64), run);
    memory_release(&kind, run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_are_zeroed_and_aligned_to_their_power_of_two),
        cmocka_unit_test(runs_that_cannot_be_had_are_refused),
        cmocka_unit_test(all_pages_can_be_taken_and_join_again),
        cmocka_unit_test(blocks_have_their_alignment_and_size),
        cmocka_unit_test(zeroed_blocks_are_zero_when_used_again),
        cmocka_unit_test(resizing_keeps_the_content),
        cmocka_unit_test(blocks_never_overlap_under_random_use),
        cmocka_unit_test(write_after_the_release_of_a_block_is_found_when_it_is_used_again),
        cmocka_unit_test(write_after_the_release_of_pages_is_found_when_they_are_used_again),
        cmocka_unit_test(block_that_is_released_twice_is_noticed),
        cmocka_unit_test(pages_that_are_released_twice_are_noticed),
        cmocka_unit_test(new_memory_holds_nothing_of_before),
        cmocka_unit_test(ranges_without_room_count_for_nothing),
        cmocka_unit_test(blocks_are_no_larger_than_their_class),
        cmocka_unit_test(room_in_any_chunk_is_used_again),
        cmocka_unit_test(last_chunk_stays_for_the_next_block),
        cmocka_unit_test(resizing_stays_in_place_while_it_fits_and_half_is_used),
    };

    return cmocka_run_group_tests(tests, add_ranges, NULL);
}
