/* SPDX-License-Identifier: MIT */
/* sources: libc/core/pool.c kernel/message/channel.c kernel/message/status.c */
/* sources: tests/unit/world/fake_memory.c tests/unit/world/fake_platform.c */
/*
 * libc/core/pool.c: objects that come again, each with a place of its own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "libc/core/pool.h"
#include "tests/unit/world/fake_memory.h"
#include "tests/unit/world/fake_platform.h"

struct cup {
    struct pool_object place;
    unsigned uses;
    uint8_t bytes[100];
};

#define CUP_MAX (3 * POOL_CHUNK)

POOL(cups, "cup", struct cup, CUP_MAX);

static struct cup *taken[CUP_MAX];

static void take_all(void)
{
    for (uint32_t i = 0; i < CUP_MAX; i++) {
        taken[i] = pool_take(&cups);
        assert_non_null(taken[i]);
    }
}

static void release_all(void)
{
    for (uint32_t i = 0; i < CUP_MAX; i++) {
        pool_release(&cups, taken[i]);
    }
}

/* First: the others find it as large as it may be. */
static void without_memory_nothing_is_had_and_nothing_has_changed(void **state)
{
    const struct memory_counts *counts = cups.kind.counts;
    unsigned block_count = fake_memory_blocks();

    (void)state;
    /* Neither for the list of chunks nor, when there is one, for a chunk. */
    for (int given = 0; given < 2; given++) {
        fake_fail_allocations_after(given);
        assert_null(pool_take(&cups));
        assert_int_equal(pool_size(&cups), 0);
    }
    fake_fail_allocations_after(-1);
    assert_int_equal(counts->objects, 0);
    assert_int_equal(counts->failures, 1);
    assert_int_equal(fake_memory_blocks(), block_count + 1); /* the list stays */
    taken[0] = pool_take(&cups);
    assert_non_null(taken[0]);
    assert_int_equal(fake_memory_blocks(), block_count + 2);
    pool_release(&cups, taken[0]);
}

static void each_object_has_a_place_of_its_own_and_keeps_what_it_holds(void **state)
{
    (void)state;
    take_all();
    for (uint32_t i = 0; i < CUP_MAX; i++) {
        assert_ptr_equal(pool_at(&cups, taken[i]->place.index), taken[i]);
        memset(taken[i]->bytes, (int)i, sizeof(taken[i]->bytes));
        taken[i]->uses = taken[i]->place.index + 7;
    }
    for (uint32_t i = 0; i < CUP_MAX; i++) {
        assert_int_equal(taken[i]->bytes[0], (uint8_t)i);
        assert_int_equal(taken[i]->bytes[99], (uint8_t)i);
    }
    release_all();
    take_all();
    for (uint32_t i = 0; i < CUP_MAX; i++) {
        assert_int_equal(taken[i]->uses, taken[i]->place.index + 7);
    }
    release_all();
}

static void what_was_released_last_is_taken_first(void **state)
{
    (void)state;
    take_all();
    pool_release(&cups, taken[5]);
    pool_release(&cups, taken[77]);
    assert_ptr_equal(pool_take(&cups), taken[77]);
    assert_ptr_equal(pool_take(&cups), taken[5]);
    release_all();
}

static void as_many_as_there_may_be_can_be_had_and_are_counted(void **state)
{
    const struct memory_counts *counts = cups.kind.counts;

    (void)state;
    take_all();
    assert_int_equal(counts->objects, CUP_MAX);
    assert_int_equal(pool_size(&cups), CUP_MAX);
    assert_true(pool_is_exhausted(&cups));

    uint64_t failures = counts->failures;

    assert_null(pool_take(&cups));
    assert_int_equal(counts->failures, failures + 1);
    assert_int_equal(counts->objects, CUP_MAX);
    pool_release(&cups, taken[0]);
    assert_false(pool_is_exhausted(&cups));
    assert_ptr_equal(pool_take(&cups), taken[0]);
    release_all();
    assert_int_equal(counts->objects, 0);
}

static bool refuse(const struct memory_kind *kind)
{
    return kind == &cups.kind;
}

static void a_test_may_refuse_it_although_there_are_some(void **state)
{
    uint64_t failures = cups.kind.counts->failures;

    (void)state;
    memory_fault = refuse;
    assert_null(pool_take(&cups));
    memory_fault = NULL;
    assert_int_equal(cups.kind.counts->failures, failures + 1);
    taken[0] = pool_take(&cups);
    assert_non_null(taken[0]);
    pool_release(&cups, taken[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_memory_nothing_is_had_and_nothing_has_changed),
        cmocka_unit_test(each_object_has_a_place_of_its_own_and_keeps_what_it_holds),
        cmocka_unit_test(what_was_released_last_is_taken_first),
        cmocka_unit_test(as_many_as_there_may_be_can_be_had_and_are_counted),
        cmocka_unit_test(a_test_may_refuse_it_although_there_are_some),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
