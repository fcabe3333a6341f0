/* SPDX-License-Identifier: MIT */
/* sources: apps/webswamp/histogram.c */
/*
 * Tests webswamp's histogram against the sorted values themselves.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "apps/webswamp/histogram.h"

#define COUNT 20000u

static struct histogram histogram;
static uint64_t values[COUNT];
static uint64_t chance;

static const unsigned quantiles[] = {1, 50000, 90000, 99000, 99900, 99999, 100000};

static uint64_t draw(void)
{
    chance ^= chance << 13;
    chance ^= chance >> 7;
    chance ^= chance << 17;
    return chance;
}

static int compare(const void *one, const void *other)
{
    uint64_t left = *(const uint64_t *)one, right = *(const uint64_t *)other;

    return left < right ? -1 : left > right;
}

static int set_up(void **state)
{
    (void)state;
    memset(&histogram, 0, sizeof(histogram));
    chance = 88172645463325252u;
    return 0;
}

/* Of the first `count` values. */
static void compare_with_sorted(unsigned count)
{
    qsort(values, count, sizeof(values[0]), compare);
    for (unsigned i = 0; i < sizeof(quantiles) / sizeof(quantiles[0]); i++) {
        uint64_t rank = ((uint64_t)count * quantiles[i] + 99999) / 100000;
        uint64_t exact = values[rank - 1];
        uint64_t read = histogram_quantile_ns(&histogram, quantiles[i]);

        assert_true(read >= exact);
        assert_true(read - exact <= exact / HISTOGRAM_STEPS);
    }
    assert_int_equal(histogram_quantile_ns(&histogram, 100000), values[count - 1]);
}

/* Of every size: each power of two is as likely as any other. */
static void quantiles_are_those_of_the_sorted_values_and_less_than_a_128th_more(void **state)
{
    (void)state;
    for (unsigned i = 0; i < COUNT; i++) {
        values[i] = draw() >> (64 - HISTOGRAM_VALUE_BITS + draw() % HISTOGRAM_VALUE_BITS);
        histogram_note(&histogram, values[i]);
    }
    assert_int_equal(histogram.count, COUNT);
    compare_with_sorted(COUNT);
}

static void quantiles_of_few_values_are_right(void **state)
{
    (void)state;
    for (unsigned count = 1; count <= 300; count++) {
        memset(&histogram, 0, sizeof(histogram));
        for (unsigned i = 0; i < count; i++) {
            values[i] = 100000 + draw() % 1000000;
            histogram_note(&histogram, values[i]);
        }
        compare_with_sorted(count);
    }
}

static void each_bucket_begins_where_the_one_before_ends(void **state)
{
    unsigned bucket = 0;

    (void)state;
    for (unsigned bits = 0; bits < HISTOGRAM_VALUE_BITS; bits++) {
        for (uint64_t step = 0; step < 512; step++) {
            uint64_t value = (UINT64_C(1) << bits) + (step << bits >> 9);
            unsigned next = histogram_bucket(value);

            assert_true(next == bucket || next == bucket + 1);
            bucket = next;
        }
    }
    assert_int_equal(bucket, HISTOGRAM_BUCKETS - 1);
}

static void what_is_longer_than_all_buckets_is_in_the_last_one_and_its_length_is_known(void **state)
{
    (void)state;
    histogram_note(&histogram, 5);
    histogram_note(&histogram, UINT64_MAX);
    assert_int_equal(histogram_bucket(UINT64_MAX), HISTOGRAM_BUCKETS - 1);
    assert_int_equal(histogram_quantile_ns(&histogram, 50000), 5);
    assert_int_equal(histogram_quantile_ns(&histogram, 99000), UINT64_MAX);
    assert_int_equal(histogram_quantile_ns(&histogram, 100000), UINT64_MAX);
}

static void one_that_is_empty_says_0(void **state)
{
    (void)state;
    assert_int_equal(histogram_quantile_ns(&histogram, 50000), 0);
    assert_int_equal(histogram_quantile_ns(&histogram, 100000), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(quantiles_are_those_of_the_sorted_values_and_less_than_a_128th_more,
                               set_up),
        cmocka_unit_test_setup(quantiles_of_few_values_are_right, set_up),
        cmocka_unit_test_setup(each_bucket_begins_where_the_one_before_ends, set_up),
        cmocka_unit_test_setup(
            what_is_longer_than_all_buckets_is_in_the_last_one_and_its_length_is_known, set_up),
        cmocka_unit_test_setup(one_that_is_empty_says_0, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
