/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/tcp_path.c */
/*
 * Tests net/transport/tcp/newreno.c: a peer without SACK, over a network in virtual time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/transport/counters.h"
#include "tests/unit/world/tcp_path.h"

#define DELAY_US      10000u
#define ROUND_TRIP_US (2 * DELAY_US)
#define LONG_US       10000000u

static const struct path_options plain = {.delay_us = DELAY_US, .is_acking_each = true};

static uint32_t lost_offsets[16];
static unsigned lost_count;

static uint32_t lose_once(const struct path_segment *segment)
{
    for (unsigned i = 0; i < lost_count; i++) {
        if (segment->offset == lost_offsets[i] * PATH_MSS && !segment->is_again) {
            return PATH_LOST;
        }
    }
    return 0;
}

static uint64_t run(unsigned segments, unsigned count, const uint32_t *lost)
{
    struct path_options options = plain;

    options.fate = lose_once;
    lost_count = count;
    for (unsigned i = 0; i < count; i++) {
        lost_offsets[i] = lost[i];
    }
    path_open(&options);
    path_write(segments * PATH_MSS);
    return path_run(LONG_US);
}

static void three_duplicates_send_one_segment_again(void **state)
{
    (void)state;
    for (uint32_t lost = 0; lost < 7; lost++) {
        assert_int_equal(run(10, 1, &lost), 2 * ROUND_TRIP_US);
        assert_int_equal(path.again_count, 1);
        assert_int_equal(path_counter(COUNTER_TCP_FAST_RECOVERIES), 1);
    }
}

/* RFC 3042: each of the first two duplicates lets a new segment go, whose own make three. */
static void two_duplicates_are_enough_while_there_is_more_to_send(void **state)
{
    uint32_t lost = 7;

    (void)state;
    assert_true(run(40, 1, &lost) != PATH_NEVER);
    assert_int_equal(path.again_count, 1);
    assert_int_equal(path_counter(COUNTER_TCP_TIMEOUTS), 0);
}

/* RFC 6582 3.2: what acknowledges a part says where the next hole is. */
static void each_further_hole_costs_a_round_trip_and_no_duplicates(void **state)
{
    static const uint32_t lost[] = {30, 33, 36};

    (void)state;
    assert_true(run(80, 3, lost) != PATH_NEVER);
    assert_int_equal(path.again_count, 3);
    assert_int_equal(path_counter(COUNTER_TCP_FAST_RECOVERIES), 1);
    assert_int_equal(path_counter(COUNTER_TCP_TIMEOUTS), 0);
}

/* RFC 6582 4: with many holes the time-out, which only the first of these acknowledgements has set
 * anew, is faster. */
static void many_holes_end_in_a_time_out(void **state)
{
    uint32_t lost[16];

    (void)state;
    for (uint32_t i = 0; i < 16; i++) {
        lost[i] = 40 + 2 * i;
    }
    assert_true(run(80, 16, lost) != PATH_NEVER);
    assert_int_equal(path_counter(COUNTER_TCP_FAST_RECOVERIES), 1);
    assert_int_equal(path_counter(COUNTER_TCP_TIMEOUTS), 1);
}

/* The last of it has nothing behind it that would make duplicates. */
static void a_lost_tail_is_found_by_the_time_out(void **state)
{
    uint32_t lost = 9;

    (void)state;
    assert_true(run(10, 1, &lost) != PATH_NEVER);
    assert_int_equal(path.again_count, 1);
    assert_int_equal(path_counter(COUNTER_TCP_TIMEOUTS), 1);
    assert_int_equal(path_counter(COUNTER_TCP_PROBES), 0);
}

static void a_flight_that_is_lost_goes_again_in_slow_start(void **state)
{
    static const uint32_t lost[] = {2, 3, 4, 5, 6, 7, 8, 9};

    (void)state;
    /* The first time-out is a second; then 1, 2, 4 and one segments. */
    assert_true(run(10, 8, lost) <= 1000000 + 6 * ROUND_TRIP_US);
    assert_int_equal(path.again_count, 8);
    assert_int_equal(path_counter(COUNTER_TCP_TIMEOUTS), 1);
}

static uint32_t duplicate_everything(const struct path_segment *segment)
{
    (void)segment;
    return 0;
}

/* Whose acknowledgements look as if something were missing: bounded by what is under way. */
static void a_network_that_doubles_segments_only_slows_it_down(void **state)
{
    struct path_options options = plain;

    (void)state;
    options.fate = duplicate_everything;
    options.duplicate_per_mille = 1000;
    path_open(&options);
    path_write(400 * PATH_MSS);
    assert_true(path_run(LONG_US) != PATH_NEVER);
    assert_int_equal(path.tcb.snd_una, path.tcb.snd_max);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_duplicates_send_one_segment_again),
        cmocka_unit_test(two_duplicates_are_enough_while_there_is_more_to_send),
        cmocka_unit_test(each_further_hole_costs_a_round_trip_and_no_duplicates),
        cmocka_unit_test(many_holes_end_in_a_time_out),
        cmocka_unit_test(a_lost_tail_is_found_by_the_time_out),
        cmocka_unit_test(a_flight_that_is_lost_goes_again_in_slow_start),
        cmocka_unit_test(a_network_that_doubles_segments_only_slows_it_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
