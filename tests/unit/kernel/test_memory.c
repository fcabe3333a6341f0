/* SPDX-License-Identifier: MIT */
/* sources: kernel/memory/pages.c kernel/message/channel.c kernel/message/status.c */
/* sources: tests/unit/world/fake_platform.c */
/*
 * libc/core/memory.c over kernel/memory/pages.c, on ranges that the test gives them: what is
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
#include "kernel/memory/pages.h"
#include "libc/core/assert.h"
#include "libc/core/memory.h"

#define RANGE_PAGES     4096u
#define ODD_RANGE_PAGES 777u

static uint64_t random_state = 1;

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
    assert_null(memory_allocate(SIZE_MAX));
    assert_null(memory_allocate(RANGE_PAGES * (size_t)PAGE_BYTES));
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
        uint8_t *block = memory_allocate(bytes);

        assert_non_null(block);
        assert_int_equal((uintptr_t)block % (bytes >= 64 ? 64 : 16), 0);
        memset(block, 0x5A, bytes);
        memory_release(block);
    }
}

static void zeroed_blocks_are_zero_when_used_again(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        uint8_t *block = memory_allocate_zeroed(1000);

        for (size_t j = 0; j < 1000; j++) {
            assert_int_equal(block[j], 0);
        }
        memset(block, 0xFF, 1000);
        memory_release(block);
    }
}

static void resizing_keeps_the_content(void **state)
{
    uint8_t *block = memory_resize(NULL, 10);

    (void)state;
    for (size_t bytes = 10; bytes < 100000; bytes = bytes * 3 / 2) {
        memset(block, (int)(bytes & 0x7F), bytes);
        block = memory_resize(block, bytes * 3 / 2);
        assert_non_null(block);
        for (size_t i = 0; i < bytes; i++) {
            assert_int_equal(block[i], bytes & 0x7F);
        }
    }
    assert_null(memory_resize(block, RANGE_PAGES * (size_t)PAGE_BYTES));
    block = memory_resize(block, 5);
    assert_int_equal(block[4], block[0]);
    memory_release(block);
}

/* Each block is filled with its own number, and found unchanged when it is released. */
static void blocks_never_overlap_under_random_use(void **state)
{
    static struct {
        uint8_t *block;
        size_t bytes;
        uint8_t mark;
    } blocks[500];

    (void)state;
    for (unsigned step = 0; step < 50000; step++) {
        uint32_t i = random_below(ARRAY_COUNT(blocks));

        if (blocks[i].block != NULL) {
            for (size_t j = 0; j < blocks[i].bytes; j += 7) {
                assert_int_equal(blocks[i].block[j], blocks[i].mark);
            }
            memory_release(blocks[i].block);
            blocks[i].block = NULL;
            continue;
        }
        blocks[i].bytes = random_below(random_below(20) == 0 ? 40000 : 600);
        blocks[i].mark = (uint8_t)step;
        blocks[i].block = memory_allocate(blocks[i].bytes);
        assert_non_null(blocks[i].block);
        memset(blocks[i].block, blocks[i].mark, blocks[i].bytes);
    }
    for (size_t i = 0; i < ARRAY_COUNT(blocks); i++) {
        memory_release(blocks[i].block);
    }
    /* What stays is at most one empty chunk a class. */
    assert_in_range(pages_total_bytes() - pages_free_bytes(), 0, 32 * 64 * KIB);
}

/* What was written to is mended afterwards, for the tests that follow. */
static void write_after_the_release_of_a_block_is_found_when_it_is_used_again(void **state)
{
    uint64_t *block = memory_allocate(200);
    uint64_t *kept = memory_allocate(200); /* so that the chunk is kept */

    (void)state;
    assert_non_null(block);
    assert_non_null(kept);
    memory_release(block);
    for (size_t word = 1; word < 200 / sizeof(*block); word += 7) {
        uint64_t pattern = block[word];

        block[word] = 1;
        expect_assert_failure(memory_allocate(200));
        block[word] = pattern;
    }
    assert_ptr_equal(memory_allocate(200), block);
    memory_release(block);
    memory_release(kept);
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
    uint64_t *block = memory_allocate(1000);
    uint64_t *kept = memory_allocate(1000);

    (void)state;
    assert_non_null(block);
    assert_non_null(kept);
    memory_release(block);
    expect_assert_failure(memory_release(block));
    expect_assert_failure(memory_release((uint8_t *)kept + 16)); /* inside a block */
    memory_release(kept);
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
    uint8_t *block = memory_allocate(300);

    (void)state;
    assert_non_null(block);
    memset(block, 0, 300);
    memory_release(block);
    block = memory_allocate(300);
    for (size_t i = 0; i < 300; i++) {
        assert_int_equal(block[i], 0xA5);
    }
    memory_release(block);
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
    };

    return cmocka_run_group_tests(tests, add_ranges, NULL);
}
