/* SPDX-License-Identifier: MIT */
/* sources: boot/tsc_offset.c */
/*
 * boot/tsc_offset.c: what is known of an offset, whatever the counters show and however long the
 * exchanges take.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "boot/tsc_offset.h"

static struct tsc_range range;

static int begin(void **state)
{
    (void)state;
    range = TSC_RANGE_ALL;
    return 0;
}

/* An exchange that took there and back so many ticks, of a core that is `offset` ahead. */
static void exchange(uint64_t sent, int64_t offset, uint64_t there, uint64_t back)
{
    tsc_range_add(&range, sent, sent + there + (uint64_t)offset, sent + there + back);
}

static void equal_counters_are_not_corrected(void **state)
{
    (void)state;
    exchange(1000, 0, 50, 60);
    assert_int_equal(tsc_range_offset(&range), 0);
    exchange(2000, 0, 1, 500);
    exchange(4000, 0, 500, 1);
    assert_int_equal(tsc_range_offset(&range), 0);
    assert_int_equal(tsc_range_doubt(&range), 1);
}

/* The middle of a long exchange is off by much more than the counters may be. */
static void an_offset_below_what_can_be_told_is_none(void **state)
{
    (void)state;
    exchange(1000, 300, 2000000, 1000);
    assert_int_equal(tsc_range_offset(&range), 0);
    assert_int_equal(tsc_range_doubt(&range), 2000300);
}

static void an_offset_is_found_to_within_half_an_exchange(void **state)
{
    static const int64_t offsets[] = {201, -201, 1000000, -1000000, INT64_MAX / 2, INT64_MIN / 2};

    for (size_t i = 0; i < ARRAY_COUNT(offsets); i++) {
        begin(state);
        exchange(5000, offsets[i], 150, 50);
        exchange(7000, offsets[i], 40, 60);
        int64_t error = tsc_range_offset(&range) - offsets[i];

        assert_true(error >= -50 && error <= 50);
        assert_in_range(tsc_range_doubt(&range), 45, 50);
    }
}

/* The narrowest bounds may come from two exchanges, each of them long in one direction. */
static void bounds_of_all_exchanges_count(void **state)
{
    (void)state;
    exchange(5000, 10000, 1, 5000);
    exchange(20000, 10000, 5000, 1);
    assert_in_range(tsc_range_offset(&range), 9999, 10001);
    assert_in_range(tsc_range_doubt(&range), 1, 2);
}

/* A core that was reset by itself starts at 0. */
static void counters_of_any_value_are_compared(void **state)
{
    (void)state;
    tsc_range_add(&range, UINT64_MAX - 10, 5, 20);
    assert_int_equal(tsc_range_offset(&range), 0);
    begin(state);
    tsc_range_add(&range, 1ull << 62, 100, (1ull << 62) + 100);
    assert_in_range(-tsc_range_offset(&range), (1ull << 62) - 100, 1ull << 62);
}

static void exchanges_that_contradict_each_other_are_noticed(void **state)
{
    (void)state;
    exchange(1000, 0, 10, 10);
    assert_false(tsc_range_is_empty(&range));
    exchange(2000, 500, 10, 10);
    assert_true(tsc_range_is_empty(&range));
    assert_int_equal(tsc_range_doubt(&range), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(equal_counters_are_not_corrected, begin),
        cmocka_unit_test_setup(an_offset_below_what_can_be_told_is_none, begin),
        cmocka_unit_test_setup(an_offset_is_found_to_within_half_an_exchange, begin),
        cmocka_unit_test_setup(bounds_of_all_exchanges_count, begin),
        cmocka_unit_test_setup(counters_of_any_value_are_compared, begin),
        cmocka_unit_test_setup(exchanges_that_contradict_each_other_are_noticed, begin),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
