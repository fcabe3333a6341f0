/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/tcp_path.c */
/*
 * Tests net/transport/tcp/rack.c: networks that reorder, and how recovery learns to wait for them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/transport/counters.h"
#include "net/transport/tcp/recovery_block.h"
#include "tests/unit/world/tcp_path.h"

#define DELAY_US      20000u
#define ROUND_TRIP_US (2 * DELAY_US)
#define LONG_US       60000000u

static const struct path_options plain = {.has_sack = true,
                                          .delay_us = DELAY_US,
                                          .is_acking_each = true,
                                          .bytes_per_ms = 2000,
                                          .queue_bytes = 8u << 20};

/* Every 16th segment comes a quarter of a round trip late, less what a burst takes on the link:
 * behind some that were sent after it. */
static uint32_t late_by_a_quarter(const struct path_segment *segment)
{
    return segment->ordinal % 16 == 7 ? ROUND_TRIP_US / 4 - 2200 : 0;
}

static unsigned again_count_then;
static uint32_t reordering_seen_at;

static void note_reordering(struct path *of)
{
    if (reordering_seen_at == 0 && of->tcb.recovery != NULL &&
        of->tcb.recovery->is_reordering_seen) {
        reordering_seen_at = of->sent_count;
        again_count_then = of->again_count;
    }
}

static void reordering_by_a_quarter_of_a_round_trip_costs_nothing_once_seen(void **state)
{
    struct path_options options = plain;

    (void)state;
    options.bytes_per_ms = 40000; /* so that bursts do not differ more among themselves */
    options.fate = late_by_a_quarter;
    path_open(&options);
    path.observe = note_reordering;
    reordering_seen_at = 0;
    path_write(2000 * PATH_MSS);
    assert_true(path_run(LONG_US) != PATH_NEVER);
    assert_true(reordering_seen_at > 0 && reordering_seen_at < 200);
    assert_int_equal(path.again_count, again_count_then);
    assert_true(path.again_count <= 2);
    assert_int_equal(path_counter(COUNTER_TCP_TIMEOUTS), 0);
}

/* More than a quarter: D-SACK says that it was too early, and the window grows by quarters. */
static uint32_t late_by_a_half(const struct path_segment *segment)
{
    return segment->ordinal % 32 == 7 ? ROUND_TRIP_US / 2 : 0;
}

static void duplicates_make_it_wait_longer(void **state)
{
    struct path_options options = plain;
    unsigned again_in_first, segments = 2000;

    (void)state;
    options.fate = late_by_a_half;
    path_open(&options);
    path_write(segments * PATH_MSS);
    assert_true(path_run(LONG_US) != PATH_NEVER);
    again_in_first = path.again_count;
    assert_true(again_in_first > 0);
    assert_non_null(path.tcb.recovery);
    assert_true(path.tcb.recovery->reorder_multiple > 1);
    path_write(segments * PATH_MSS);
    assert_true(path_run(LONG_US) != PATH_NEVER);
    assert_true(path.again_count - again_in_first < segments / 32 / 4);
}

static uint32_t lose_one_in_forty(const struct path_segment *segment)
{
    return segment->ordinal % 40 == 7 ? PATH_LOST : 0;
}

/* Without reordering nothing is waited for, and nothing goes twice. */
static void losses_alone_are_not_taken_for_reordering(void **state)
{
    struct path_options options = plain;

    (void)state;
    options.fate = lose_one_in_forty;
    path_open(&options);
    path_write(1000 * PATH_MSS);
    assert_true(path_run(LONG_US) != PATH_NEVER);
    assert_true(path.tcb.recovery == NULL || !path.tcb.recovery->is_reordering_seen);
    assert_int_equal(path.sent_count, 1000 + path.again_count);
    assert_in_range(path.again_count, 25, 26);
    assert_int_equal(path_counter(COUNTER_TCP_LOSSES_UNDONE), 0);
}

/* Both, and doubled segments: it gets through, and sends little in vain. */
static uint32_t lose_and_reorder(const struct path_segment *segment)
{
    return segment->ordinal % 40 == 7 ? PATH_LOST : late_by_a_quarter(segment);
}

static void losses_among_reordering_are_found(void **state)
{
    struct path_options options = plain;

    (void)state;
    options.fate = lose_and_reorder;
    options.duplicate_per_mille = 20;
    options.seed = 3;
    path_open(&options);
    path_write(1000 * PATH_MSS);
    assert_true(path_run(LONG_US) != PATH_NEVER);
    assert_true(path.again_count >= 25 && path.again_count <= 35);
    assert_int_equal(path_counter(COUNTER_TCP_TIMEOUTS), 0);
}

/* All that is sent in a round has one time, and the card cuts it: of a burst only what lies below
 * the highest arrival is lost. */
static uint32_t lose_first_of_burst(const struct path_segment *segment)
{
    return segment->ordinal == 0 || segment->ordinal == 4 ? PATH_LOST : 0;
}

static void of_a_burst_only_what_lies_below_an_arrival_is_lost(void **state)
{
    struct path_options options = plain;

    (void)state;
    options.bytes_per_ms = 100; /* ten milliseconds between arrivals */
    options.fate = lose_first_of_burst;
    path_open(&options);
    path_write(10 * PATH_MSS);
    assert_true(path_run(LONG_US) != PATH_NEVER);
    assert_int_equal(path.again_count, 2);
    assert_int_equal(path_counter(COUNTER_TCP_TIMEOUTS), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reordering_by_a_quarter_of_a_round_trip_costs_nothing_once_seen),
        cmocka_unit_test(duplicates_make_it_wait_longer),
        cmocka_unit_test(losses_alone_are_not_taken_for_reordering),
        cmocka_unit_test(losses_among_reordering_are_found),
        cmocka_unit_test(of_a_burst_only_what_lies_below_an_arrival_is_lost),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
