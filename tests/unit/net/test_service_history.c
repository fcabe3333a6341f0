/* SPDX-License-Identifier: MIT */
/* sources: net/manager/service.c tests/unit/world/panic.c */
/*
 * Tests net/manager/service.c: moving medians, against medians that are found by sorting.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "net/manager/balance/weights.h"
#include "net/manager/service.h"

static struct service_history history;
static uint64_t now_ns;
static uint64_t came[4096]; /* all samples, in order */
static unsigned came_count;

static int set_up(void **state)
{
    (void)state;
    memset(&history, 0, sizeof(history));
    now_ns = 1;
    came_count = 0;
    return 0;
}

/* One sample, as soon as one is taken again. */
static void sample(uint64_t service_ns)
{
    now_ns += SERVICE_SAMPLE_NS;
    assert_true(service_history_add(&history, service_ns, now_ns));
    came[came_count++] = service_ns;
}

static int compare(const void *one, const void *other)
{
    uint64_t a = *(const uint64_t *)one, b = *(const uint64_t *)other;

    return a < b ? -1 : a > b;
}

/* Of the last `count` samples. */
static uint64_t median_of_last(unsigned count)
{
    static uint64_t sorted[SERVICE_WINDOW];

    assert_true(count != 0 && count <= came_count);
    memcpy(sorted, &came[came_count - count], count * sizeof(sorted[0]));
    qsort(sorted, count, sizeof(sorted[0]), compare);
    return sorted[(count - 1) / 2];
}

static void expect_median(uint64_t expected_ns)
{
    uint64_t median_ns = service_history_median_ns(&history);

    assert_true(median_ns >= expected_ns - expected_ns / 32);
    assert_true(median_ns <= expected_ns + expected_ns / 32);
}

static void without_a_sample_there_is_no_median(void **state)
{
    (void)state;
    assert_int_equal(service_history_median_ns(&history), 0);
}

static void one_sample_is_the_median(void **state)
{
    (void)state;
    sample(12345);
    expect_median(12345);
    assert_int_equal(history.count, 1);
}

/* Up to a full window, one more, and many times round. Random ones, then rising, falling and equal
 * ones, each of which puts what comes at another end. */
static void the_median_is_that_of_the_last_128(void **state)
{
    uint64_t random = 1;

    (void)state;
    for (unsigned i = 0; i < 4000; i++) {
        uint64_t value = weight_random(&random) % 1000000 + 1;

        switch (i / 500) {
        case 2:
            value = i * 1000;
            break;
        case 3:
            value = (4000 - i) * 1000;
            break;
        case 5:
            value = 700000;
            break;
        case 6:
            value = i % 2 == 0 ? 1 : 5000000;
            break;
        default:
            break;
        }
        sample(value);
        assert_int_equal(history.count, i < SERVICE_WINDOW ? i + 1 : SERVICE_WINDOW);
        expect_median(median_of_last(history.count));
    }
}

/* The window's size itself: 64 of 128 new ones do not move the median, 65 do. */
static void half_a_window_does_not_change_the_median_and_one_more_does(void **state)
{
    (void)state;
    for (unsigned i = 0; i < SERVICE_WINDOW; i++) {
        sample(1600);
    }
    for (unsigned i = 0; i < SERVICE_WINDOW / 2; i++) {
        sample(4800);
    }
    expect_median(1600);
    sample(4800);
    expect_median(4800);
}

static void the_shortest_and_the_longest_times_are_kept(void **state)
{
    (void)state;
    sample(1);
    assert_int_equal(service_history_median_ns(&history), 1);
    for (unsigned i = 0; i < 3; i++) {
        sample(SERVICE_MAX_NS);
    }
    assert_int_equal(service_history_median_ns(&history), SERVICE_MAX_NS);
    for (unsigned i = 0; i < 3; i++) {
        sample(SERVICE_MAX_NS - 1);
    }
    expect_median(SERVICE_MAX_NS - 1);
    assert_true(service_history_median_ns(&history) < SERVICE_MAX_NS);
}

/* Each time that a bucket begins or ends with, and its neighbours; below 32 ns exactly. */
static void each_time_is_kept_to_a_thirty_second(void **state)
{
    for (uint64_t octave = 1; octave < SERVICE_MAX_NS; octave *= 2) {
        for (unsigned i = 0; i < 16; i++) {
            uint64_t begin_ns = octave + i * octave / 16;

            for (uint64_t service_ns = begin_ns == 1 ? 1 : begin_ns - 1; service_ns <= begin_ns + 1;
                 service_ns++) {
                (void)set_up(state);
                sample(service_ns);
                expect_median(service_ns);
            }
        }
    }
}

/* From one end to the other and back, with nothing in between. */
static void the_median_goes_over_empty_buckets(void **state)
{
    (void)state;
    for (unsigned turn = 0; turn < 6; turn++) {
        for (unsigned i = 0; i < SERVICE_WINDOW; i++) {
            sample(turn % 2 == 0 ? 1 : SERVICE_MAX_NS);
            assert_int_equal(service_history_median_ns(&history), median_of_last(history.count));
        }
    }
}

static void one_in_a_sampling_interval_is_taken(void **state)
{
    (void)state;
    sample(1000);
    assert_false(service_history_add(&history, 9000, now_ns));
    assert_false(service_history_add(&history, 9000, now_ns + SERVICE_SAMPLE_NS - 1));
    expect_median(1000);
    assert_true(service_history_add(&history, 9000, now_ns + SERVICE_SAMPLE_NS));
    assert_int_equal(history.count, 2);
}

/* 100 old ones, then new ones after a pause: the old ones are gone but for those that make up the
 * least number. */
static void old_samples_leave_but_for_the_newest(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 100; i++) {
        sample(160000);
    }
    now_ns += SERVICE_SAMPLE_AGE_NS + 64 * NS_PER_MS;
    sample(1600);
    assert_int_equal(history.count, SERVICE_SAMPLES_KEPT + 1);
    expect_median(160000);
    for (unsigned i = 1; i < SERVICE_SAMPLES_KEPT / 2 + 1; i++) {
        sample(1600);
        assert_int_equal(history.count, SERVICE_SAMPLES_KEPT + 1);
    }
    expect_median(1600);
}

/* At 30 a second: the window holds what is left of a quarter second, and no fewer than its least.
 */
static void at_a_low_rate_the_least_number_is_kept(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 200; i++) {
        now_ns += 33 * NS_PER_MS;
        sample(1000 + i * 100);
        expect_median(median_of_last(history.count));
        assert_int_equal(history.count,
                         i < SERVICE_SAMPLES_KEPT ? i + 1 : SERVICE_SAMPLES_KEPT + 1);
    }
}

/* Seven prove nothing, and one that is not so slow begins the count anew; also between samples. */
static void a_run_of_much_slower_ones_begins_the_window_anew(void **state)
{
    (void)state;
    for (unsigned i = 0; i < SERVICE_WINDOW; i++) {
        sample(9984); /* the middle of a bucket */
    }
    for (unsigned turn = 0; turn < 2; turn++) {
        for (unsigned i = 1; i < SERVICE_RUN; i++) {
            (void)service_history_add(&history, 40000 + i * 4000, now_ns);
        }
        expect_median(9984);
        (void)service_history_add(&history, 38000, now_ns); /* not four times as long */
    }
    expect_median(9984);
    for (unsigned i = 1; i < SERVICE_RUN; i++) {
        (void)service_history_add(&history, 40000 + i * 4000, now_ns);
        expect_median(9984);
    }
    assert_true(service_history_add(&history, 40000, now_ns));
    assert_int_equal(history.count, SERVICE_RUN);
    expect_median(52000); /* of 40000 and the seven */
    assert_false(service_history_add(&history, 40000, now_ns + SERVICE_SAMPLE_NS - 1));
    assert_true(service_history_add(&history, 40000, now_ns + SERVICE_SAMPLE_NS));
    assert_int_equal(history.count, SERVICE_RUN + 1);
}

/* The other way round there is no hurry. */
static void a_run_of_much_faster_ones_is_like_any(void **state)
{
    (void)state;
    for (unsigned i = 0; i < SERVICE_WINDOW; i++) {
        sample(9984);
    }
    for (unsigned i = 0; i < 2 * SERVICE_RUN; i++) {
        sample(100);
    }
    expect_median(9984);
    assert_int_equal(history.count, SERVICE_WINDOW);
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(without_a_sample_there_is_no_median),
        TEST(one_sample_is_the_median),
        TEST(the_median_is_that_of_the_last_128),
        TEST(half_a_window_does_not_change_the_median_and_one_more_does),
        TEST(the_shortest_and_the_longest_times_are_kept),
        TEST(each_time_is_kept_to_a_thirty_second),
        TEST(the_median_goes_over_empty_buckets),
        TEST(one_in_a_sampling_interval_is_taken),
        TEST(old_samples_leave_but_for_the_newest),
        TEST(a_run_of_much_slower_ones_begins_the_window_anew),
        TEST(a_run_of_much_faster_ones_is_like_any),
        TEST(at_a_low_rate_the_least_number_is_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
