/* SPDX-License-Identifier: MIT */
/* sources: libc/core/pages.c libc/core/memory.c kernel/message/channel.c kernel/message/status.c */
/* sources: tests/unit/world/fake_platform.c */
/*
 * What libc/core/memory.c counts: what each kind has taken, and what could not be had for it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "kernel/limits.h"
#include "libc/core/assert.h"
#include "libc/core/memory.h"
#include "libc/core/pages.h"

#define RANGE_PAGES 256u

MEMORY_KIND(kind, "test");
MEMORY_KIND(cups, "cup");

static void fail_assertion(const char *file, int line, const char *condition)
{
    mock_assert(false, condition, file, line);
}

static int add_range(void **state)
{
    static const struct memory_source source = {
        .allocate = pages_allocate_raw,
        .release = pages_release,
    };
    void *range = aligned_alloc(RANGE_PAGES * (size_t)PAGE_BYTES, RANGE_PAGES * (size_t)PAGE_BYTES);

    (void)state;
    assert_non_null(range);
    memory_set_source(&source);
    core_assertion_failed = fail_assertion;
    pages_add_range(range, RANGE_PAGES * (uint64_t)PAGE_BYTES);
    return 0;
}

static void what_is_taken_is_counted_to_its_kind_until_it_is_given_back(void **state)
{
    const struct memory_counts *counts = cups.counts;

    (void)state;
    void *block = memory_allocate(&cups, 100);

    assert_int_equal(counts->objects, 1);
    assert_in_range(counts->bytes, 100, 128);
    block = memory_resize(&cups, block, 100000);
    assert_int_equal(counts->objects, 1);
    assert_in_range(counts->bytes, 100000, 110000);
    void *pages = memory_allocate_pages(&cups, 3);

    assert_non_null(pages);
    assert_int_equal(counts->objects, 2);
    memory_release(&cups, block);
    assert_int_equal(counts->bytes, 3 * PAGE_BYTES);
    memory_release_pages(&cups, pages, 3);
    assert_int_equal(counts->objects, 0);
    assert_int_equal(counts->bytes, 0);
}

static bool refuse_cups(const struct memory_kind *asked)
{
    return asked == &cups;
}

/* As long as nothing is taken for that other kind. */
static void block_that_is_released_as_another_kind_is_noticed(void **state)
{
    void *block = memory_allocate(&kind, 100);

    (void)state;
    assert_int_equal(cups.counts->objects, 0);
    expect_assert_failure(memory_release(&cups, block));
    memory_release(&kind, block);
}

static void what_cannot_be_had_is_counted(void **state)
{
    const struct memory_counts *counts = cups.counts;
    uint64_t failures = counts->failures;

    (void)state;
    assert_null(memory_allocate(&cups, SIZE_MAX));
    assert_null(memory_allocate_pages(&cups, RANGE_PAGES));
    assert_int_equal(counts->failures, failures + 2);
    void *kept = memory_allocate(&cups, 16);

    memory_fault = refuse_cups;
    assert_null(memory_allocate(&cups, 16));
    assert_null(memory_allocate_zeroed(&cups, 16));
    assert_null(memory_resize(&cups, kept, 1000));
    assert_null(memory_allocate_pages(&cups, 1));
    void *other = memory_allocate(&kind, 16);

    memory_fault = NULL;
    assert_non_null(other);
    assert_int_equal(counts->failures, failures + 6);
    assert_int_equal(counts->objects, 1);
    memory_release(&kind, other);
    memory_release(&cups, kept);
}

/* What has been counted before goes with them; kinds without room there count on as they did. */
static void counts_are_published_where_there_is_room(void **state)
{
    static struct memory_counts published[64];
    void *before = memory_allocate(&cups, 16);
    unsigned count = memory_publish_counts(published, 0);

    (void)state;
    assert_in_range(count, 2, ARRAY_COUNT(published));
    assert_int_equal(cups.counts->objects, 1);
    assert_int_equal(memory_publish_counts(published, ARRAY_COUNT(published)), count);
    assert_in_range((uintptr_t)cups.counts, (uintptr_t)published, (uintptr_t)&published[count - 1]);
    assert_int_equal(cups.counts->objects, 1);
    memory_release(&cups, before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_taken_is_counted_to_its_kind_until_it_is_given_back),
        cmocka_unit_test(block_that_is_released_as_another_kind_is_noticed),
        cmocka_unit_test(what_cannot_be_had_is_counted),
        cmocka_unit_test(counts_are_published_where_there_is_room),
    };

    return cmocka_run_group_tests(tests, add_range, NULL);
}
