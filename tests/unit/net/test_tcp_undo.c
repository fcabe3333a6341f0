/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/tcp_path.c */
/*
 * Tests net/transport/tcp/undo.c: time-outs and recoveries that had no cause leave the window as it
 * was, with SACK and without.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/transport/counters.h"
#include "net/transport/tcp/congestion.h"
#include "net/transport/tcp/recovery_block.h"
#include "tests/unit/world/tcp_path.h"

#define DELAY_US 10000u
#define LONG_US  20000000u
#define START_US 0xFFF00000u

static uint64_t late_from_us, late_until_us;

/* The way stands still for a while: what was sent in that time comes after it, in order. */
static uint32_t stand_still(const struct path_segment *segment)
{
    return segment->sent_us >= late_from_us && segment->sent_us < late_until_us
               ? (uint32_t)(late_until_us - segment->sent_us)
               : 0;
}

static struct path_options standing_options(bool has_sack, uint32_t from_us, uint32_t for_us)
{
    late_from_us = START_US + from_us;
    late_until_us = late_from_us + for_us;
    return (struct path_options){
        .has_sack = has_sack, .delay_us = DELAY_US, .is_acking_each = true, .fate = stand_still};
}

static uint32_t least_ssthresh;

static void watch_ssthresh(struct path *watched)
{
    if (watched->tcb.ssthresh < least_ssthresh) {
        least_ssthresh = watched->tcb.ssthresh;
    }
}

/* A delay longer than the time-out, in the midst of a transfer. */
static void a_time_out_that_was_only_late_is_undone(void **state)
{
    (void)state;
    for (int has_sack = 0; has_sack <= 1; has_sack++) {
        struct path_options options = standing_options(has_sack != 0, 45000, 500000);

        options.is_silent_on_duplicates = true;
        path_open(&options);
        path.observe = watch_ssthresh;
        least_ssthresh = UINT32_MAX;
        path_write(600 * PATH_MSS);
        assert_true(path_run(LONG_US) != PATH_NEVER);
        assert_true(path_counter(COUNTER_TCP_TIMEOUTS) >= 1);
        assert_int_equal(path_counter(COUNTER_TCP_LOSSES_UNDONE), 1);
        assert_true(least_ssthresh != UINT32_MAX);
        assert_int_equal(path.tcb.ssthresh, CONGESTION_SSTHRESH_MAX);
        assert_true(path.again_count <= 3);
    }
}

/* The same when all that was to be sent is on its way: D-SACK says it after the end. */
static void a_time_out_of_a_short_response_is_undone_by_duplicates(void **state)
{
    struct path_options options = standing_options(true, 0, 2500000);

    (void)state;
    path_open(&options);
    path_write(PATH_MSS);
    assert_true(path_run(LONG_US) != PATH_NEVER);
    assert_true(path_counter(COUNTER_TCP_TIMEOUTS) >= 1);
    assert_true(path.tcb.cwnd < congestion_initial_bytes(&path.tcb));
    path_wait(10 * DELAY_US); /* in which nothing is under way */
    assert_int_equal(path_counter(COUNTER_TCP_LOSSES_UNDONE), 1);
    assert_int_equal(path.tcb.cwnd, congestion_initial_bytes(&path.tcb));
    assert_int_equal(path.tcb.ssthresh, CONGESTION_SSTHRESH_MAX);
}

static uint32_t lose_a_flight(const struct path_segment *segment)
{
    return segment->sent_us >= late_from_us && segment->sent_us < late_until_us ? PATH_LOST : 0;
}

static void a_time_out_that_had_a_cause_is_not_undone(void **state)
{
    (void)state;
    for (int has_sack = 0; has_sack <= 1; has_sack++) {
        struct path_options options = standing_options(has_sack != 0, 45000, 300000);

        options.fate = lose_a_flight;
        path_open(&options);
        path_write(600 * PATH_MSS);
        assert_true(path_run(LONG_US) != PATH_NEVER);
        assert_true(path_counter(COUNTER_TCP_TIMEOUTS) >= 1);
        assert_int_equal(path_counter(COUNTER_TCP_LOSSES_UNDONE), 0);
        assert_true(path.tcb.ssthresh != CONGESTION_SSTHRESH_MAX);
    }
}

/* One segment of the flight is overtaken by all others: it seems lost, and comes twice. */
static uint32_t overtake_one(const struct path_segment *segment)
{
    return segment->offset == 40 * PATH_MSS && !segment->is_again ? 2 * DELAY_US : 0;
}

static void a_recovery_for_reordering_is_undone_by_duplicates(void **state)
{
    struct path_options options = {
        .has_sack = true, .delay_us = DELAY_US, .is_acking_each = true, .fate = overtake_one};

    (void)state;
    path_open(&options);
    path_write(300 * PATH_MSS);
    assert_true(path_run(LONG_US) != PATH_NEVER);
    assert_int_equal(path_counter(COUNTER_TCP_FAST_RECOVERIES), 1);
    assert_int_equal(path_counter(COUNTER_TCP_LOSSES_UNDONE), 1);
    assert_int_equal(path.tcb.ssthresh, CONGESTION_SSTHRESH_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_time_out_that_was_only_late_is_undone),
        cmocka_unit_test(a_time_out_of_a_short_response_is_undone_by_duplicates),
        cmocka_unit_test(a_time_out_that_had_a_cause_is_not_undone),
        cmocka_unit_test(a_recovery_for_reordering_is_undone_by_duplicates),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
