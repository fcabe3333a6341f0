/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/tcp_path.c */
/*
 * Tests net/transport/tcp/recovery.c with a peer that has SACK, over a network in virtual time:
 * what is lost goes again after a round trip, and nothing else does.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/counters.h"
#include "net/transport/counters.h"
#include "net/transport/tcp/congestion.h"
#include "net/transport/tcp/recovery.h"
#include "net/transport/tcp/recovery_block.h"
#include "tests/unit/world/fake_memory.h"
#include "tests/unit/world/tcp_path.h"

#define DELAY_US      10000u
#define ROUND_TRIP_US (2 * DELAY_US)
#define LONG_US       10000000u

static const struct path_options plain = {
    .has_sack = true, .delay_us = DELAY_US, .is_acking_each = true};

static unsigned lost_ordinals[8], lost_count;

static uint32_t lose_ordinals(const struct path_segment *segment)
{
    for (unsigned i = 0; i < lost_count; i++) {
        if (segment->ordinal == lost_ordinals[i]) {
            return PATH_LOST;
        }
    }
    return 0;
}

/* Ten segments in one round trip, of which these are lost; then again. */
static uint64_t run_ten(const struct path_options *options, unsigned count, const unsigned *lost)
{
    struct path_options run = *options;

    run.fate = lose_ordinals;
    lost_count = count;
    for (unsigned i = 0; i < count; i++) {
        lost_ordinals[i] = lost[i];
    }
    path_open(&run);
    path_write(10 * PATH_MSS);
    return path_run(LONG_US);
}

static void what_is_not_lost_goes_once(void **state)
{
    struct path_options options = plain;

    (void)state;
    options.bytes_per_ms = 10000;
    options.queue_bytes = 8u << 20;
    path_open(&options);
    path_write(4000000);
    assert_true(path_run(LONG_US) != PATH_NEVER);
    assert_int_equal(path.again_count, 0);
    assert_int_equal(path.sent_count, 4000);
    assert_int_equal(path_counter(COUNTER_TCP_RETRANSMITS), 0);
    assert_int_equal(path_counter(COUNTER_TCP_FAST_RECOVERIES), 0);
}

static void one_loss_costs_one_round_trip(void **state)
{
    (void)state;
    for (unsigned lost = 0; lost < 7; lost++) {
        assert_int_equal(run_ten(&plain, 1, &lost), 2 * ROUND_TRIP_US);
        assert_int_equal(path.again_count, 1);
        assert_int_equal(path_counter(COUNTER_TCP_FAST_RECOVERIES), 1);
        assert_int_equal(path_counter(COUNTER_TCP_RETRANSMITS), 1);
    }
}

static void all_holes_of_a_flight_are_filled_in_one_more_round_trip(void **state)
{
    static const unsigned lost[] = {0, 2, 4, 6};

    (void)state;
    assert_int_equal(run_ten(&plain, 4, lost), 2 * ROUND_TRIP_US);
    assert_int_equal(path.again_count, 4);
    assert_int_equal(path_counter(COUNTER_TCP_FAST_RECOVERIES), 1);
}

/* The round trip is not known when the first flight goes, so it is what is lost of the second. */
static void a_lost_tail_is_probed_before_the_time_out(void **state)
{
    struct path_options options = plain;
    uint64_t took_us;

    (void)state;
    options.fate = lose_ordinals;
    lost_count = 1;
    lost_ordinals[0] = 19;
    path_open(&options);
    path_write(10 * PATH_MSS);
    assert_int_equal(path_run(LONG_US), ROUND_TRIP_US);
    path_write(10 * PATH_MSS);
    took_us = path_run(LONG_US);
    assert_true(took_us > ROUND_TRIP_US && took_us < ROUND_TRIP_US + 260000);
    assert_int_equal(path.again_count, 1);
    assert_int_equal(path_counter(COUNTER_TCP_PROBES), 1);
    assert_int_equal(path_counter(COUNTER_TCP_TIMEOUTS), 0);
    /* What comes next without a D-SACK says that it was a loss: congestion (RFC 8985 7.4). */
    assert_int_equal(path.tcb.ssthresh, CONGESTION_SSTHRESH_MAX);
    path_write(PATH_MSS);
    assert_true(path_run(LONG_US) != PATH_NEVER);
    assert_in_range(path.tcb.ssthresh, 2 * PATH_MSS, 14 * PATH_MSS);
}

/* The probe's acknowledgement says which others are missing. */
static void a_lost_tail_of_several_segments_needs_no_time_out(void **state)
{
    struct path_options options = plain;
    uint64_t took_us;

    (void)state;
    options.fate = lose_ordinals;
    lost_count = 3;
    for (unsigned i = 0; i < 3; i++) {
        lost_ordinals[i] = 17 + i;
    }
    path_open(&options);
    path_write(10 * PATH_MSS);
    assert_int_equal(path_run(LONG_US), ROUND_TRIP_US);
    path_write(10 * PATH_MSS);
    took_us = path_run(LONG_US);
    assert_true(took_us < 7 * ROUND_TRIP_US);
    assert_int_equal(path.again_count, 3);
    assert_int_equal(path_counter(COUNTER_TCP_PROBES), 1);
    assert_int_equal(path_counter(COUNTER_TCP_FAST_RECOVERIES), 1);
    assert_int_equal(path_counter(COUNTER_TCP_TIMEOUTS), 0);
}

/* The peer had it all: its acknowledgement was lost. Nobody is slower for that. */
static void a_probe_that_was_not_needed_costs_no_window(void **state)
{
    struct path_options options = plain;
    uint32_t cwnd;

    (void)state;
    path_open(&options);
    path_write(10 * PATH_MSS);
    assert_int_equal(path_run(LONG_US), ROUND_TRIP_US);
    cwnd = path.tcb.cwnd;
    path.options.fate = lose_ordinals; /* none */
    lost_count = 0;
    path.options.delay_us = 6 * DELAY_US;
    path_write(10 * PATH_MSS);
    assert_true(path_run(LONG_US) != PATH_NEVER);
    assert_int_equal(path_counter(COUNTER_TCP_PROBES), 1);
    assert_int_equal(path.again_count, 1);
    path_write(10 * PATH_MSS);
    assert_true(path_run(LONG_US) != PATH_NEVER);
    path_write(PATH_MSS);
    assert_true(path_run(LONG_US) != PATH_NEVER);
    assert_true(path.tcb.cwnd >= cwnd);
    assert_int_equal(path.tcb.ssthresh, CONGESTION_SSTHRESH_MAX);
}

static uint32_t lose_first_twice(const struct path_segment *segment)
{
    return segment->offset == 20 * PATH_MSS && segment->sent_us < 0xFFF00000 + 4 * ROUND_TRIP_US
               ? PATH_LOST
               : 0;
}

/* RACK: what was sent after the retransmission arrives, so that is lost, too. */
static void a_lost_retransmission_is_found_without_a_time_out(void **state)
{
    struct path_options options = plain;
    uint64_t took_us;

    (void)state;
    options.fate = lose_first_twice;
    path_open(&options);
    path_write(200 * PATH_MSS);
    took_us = path_run(LONG_US);
    assert_true(took_us < 14 * ROUND_TRIP_US);
    assert_true(path.again_count >= 2 && path.again_count <= 3);
    assert_int_equal(path_counter(COUNTER_TCP_TIMEOUTS), 0);
}

static uint64_t silent_from_us;

static uint32_t lose_the_twentieth(const struct path_segment *segment)
{
    if (segment->is_again && silent_from_us == PATH_NEVER) {
        silent_from_us = segment->sent_us + DELAY_US; /* when that arrives */
    }
    return !segment->is_again && segment->offset == 20 * PATH_MSS ? PATH_LOST : 0;
}

static uint32_t lose_a_flights(uint64_t now_us)
{
    return now_us >= silent_from_us && now_us - silent_from_us <= ROUND_TRIP_US ? PATH_LOST : 0;
}

/* All that tells of the retransmission and of what went behind it: it took a time-out, 200 ms. */
static void silence_in_recovery_is_asked_into_with_new_bytes(void **state)
{
    struct path_options options = plain;

    (void)state;
    silent_from_us = PATH_NEVER;
    options.fate = lose_the_twentieth;
    options.ack_fate = lose_a_flights;
    path_open(&options);
    path_write(100 * PATH_MSS);
    assert_true(path_run(LONG_US) < 9 * ROUND_TRIP_US);
    assert_int_equal(path.again_count, 1);
    assert_int_equal(path_counter(COUNTER_TCP_PROBES), 1);
    assert_int_equal(path_counter(COUNTER_TCP_TIMEOUTS), 0);
}

/* Then only the time-out sends again what nobody says is lost (RFC 6298 5). */
static void silence_in_recovery_with_nothing_new_is_the_time_outs(void **state)
{
    struct path_options options = plain;

    (void)state;
    silent_from_us = PATH_NEVER;
    options.fate = lose_the_twentieth;
    options.ack_fate = lose_a_flights;
    path_open(&options);
    path_write(28 * PATH_MSS);
    assert_true(path_run(LONG_US) > 200000);
    assert_int_equal(path_counter(COUNTER_TCP_PROBES), 0);
    assert_int_equal(path_counter(COUNTER_TCP_TIMEOUTS), 1);
}

static uint32_t lose_from_fifty_on(const struct path_segment *segment)
{
    return !segment->is_again && segment->offset >= 50 * PATH_MSS && segment->offset < 80 * PATH_MSS
               ? PATH_LOST
               : 0;
}

static void a_burst_of_losses_goes_again_once_each(void **state)
{
    struct path_options options = plain;

    (void)state;
    options.fate = lose_from_fifty_on;
    path_open(&options);
    path_write(300 * PATH_MSS);
    assert_true(path_run(LONG_US) < 14 * ROUND_TRIP_US);
    assert_int_equal(path.again_count, 30);
    assert_int_equal(path_counter(COUNTER_TCP_FAST_RECOVERIES), 1);
    assert_int_equal(path_counter(COUNTER_TCP_TIMEOUTS), 0);
}

/* A peer that tunes its window announces another one with each acknowledgement: no duplicates by
 * RFC 5681, but SACK says what it has. */
static void a_window_that_grows_with_each_acknowledgement_hides_no_loss(void **state)
{
    struct path_options options = plain;
    unsigned lost = 2;

    (void)state;
    options.window_bytes = 64 * 1024;
    options.window_growth_bytes = 2048;
    assert_int_equal(run_ten(&options, 1, &lost), 2 * ROUND_TRIP_US);
    assert_int_equal(path.again_count, 1);
}

/* RFC 2018 8: at the time-out its word counts for nothing. */
static void what_the_peer_has_dropped_again_is_sent_again(void **state)
{
    struct path_options options = plain;
    static const unsigned lost[] = {1, 10};

    (void)state;
    options.forgets_at_us = 0xFFF00000 + DELAY_US + 1;
    assert_true(run_ten(&options, 2, lost) != PATH_NEVER);
    assert_int_equal(path_counter(COUNTER_TCP_SACK_RENEGED), 1);
    assert_true(path_counter(COUNTER_TCP_TIMEOUTS) >= 1);
}

static void the_block_is_there_only_while_it_is_needed(void **state)
{
    unsigned lost = 3;

    (void)state;
    assert_true(run_ten(&plain, 0, NULL) != PATH_NEVER);
    assert_null(path.tcb.recovery);
    assert_true(run_ten(&plain, 1, &lost) != PATH_NEVER);
    assert_int_equal(path.tcb.snd_una, path.tcb.snd_max);
    path_write(PATH_MSS); /* whose acknowledgement says that no D-SACK comes any more */
    assert_true(path_run(LONG_US) != PATH_NEVER);
    assert_null(path.tcb.recovery);
    assert_int_equal(fake_memory_counts("tcp_recovery")->objects, 0);
}

static void without_memory_for_it_everything_arrives_by_time_outs(void **state)
{
    struct path_options options = plain;

    (void)state;
    for (unsigned lost = 0; lost < 10; lost++) {
        uint64_t failures = fake_memory_counts("tcp_recovery")->failures;

        options.has_no_memory = true;
        assert_true(run_ten(&options, 1, &lost) != PATH_NEVER);
        assert_true(path_counter(COUNTER_TCP_TIMEOUTS) >= 1);
        assert_true(fake_memory_counts("tcp_recovery")->failures > failures);
        assert_null(path.tcb.recovery);
    }
}

static uint32_t lose_all_after_the_first(const struct path_segment *segment)
{
    return segment->ordinal > 0 ? PATH_LOST : 0;
}

/* RFC 9293 3.8.3: at least 100 s. */
static void a_silent_peer_is_given_up_after_twelve_time_outs(void **state)
{
    struct path_options options = plain;
    uint64_t began_us, took_us;

    (void)state;
    options.fate = lose_all_after_the_first;
    path_open(&options);
    path_write(2 * PATH_MSS);
    began_us = path.now_us;
    assert_true(path_run(3600000000u) == PATH_NEVER);
    took_us = path.now_us - began_us;
    assert_true(path.is_over);
    assert_int_equal(path_counter(COUNTER_TCP_TIMEOUTS), RECOVERY_TIMEOUTS_MAX);
    assert_true(took_us > 240000000 && took_us < 800000000);
}

static void a_shorter_path_sends_all_again_at_the_same_rate(void **state)
{
    uint32_t cwnd;

    (void)state;
    path_open(&plain);
    path_write(10 * PATH_MSS);
    assert_true(path_run(1) == PATH_NEVER); /* the first has gone */
    cwnd = path.tcb.cwnd;
    path.tcb.mss = 500;
    recovery_mark_all_lost(&path.tcb);
    assert_int_equal(recovery_pipe_bytes(&path.tcb), 0);
    assert_int_equal(path.tcb.cwnd, cwnd);
    assert_true(path_run(LONG_US) != PATH_NEVER);
    assert_int_equal(path_counter(COUNTER_TCP_FAST_RECOVERIES), 0);
    assert_int_equal(path_counter(COUNTER_TCP_TIMEOUTS), 0);
    assert_int_equal(path_counter(COUNTER_TCP_RETRANSMITS), 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_lost_goes_once),
        cmocka_unit_test(one_loss_costs_one_round_trip),
        cmocka_unit_test(all_holes_of_a_flight_are_filled_in_one_more_round_trip),
        cmocka_unit_test(a_lost_tail_is_probed_before_the_time_out),
        cmocka_unit_test(a_lost_tail_of_several_segments_needs_no_time_out),
        cmocka_unit_test(a_probe_that_was_not_needed_costs_no_window),
        cmocka_unit_test(a_lost_retransmission_is_found_without_a_time_out),
        cmocka_unit_test(silence_in_recovery_is_asked_into_with_new_bytes),
        cmocka_unit_test(silence_in_recovery_with_nothing_new_is_the_time_outs),
        cmocka_unit_test(a_burst_of_losses_goes_again_once_each),
        cmocka_unit_test(a_window_that_grows_with_each_acknowledgement_hides_no_loss),
        cmocka_unit_test(what_the_peer_has_dropped_again_is_sent_again),
        cmocka_unit_test(the_block_is_there_only_while_it_is_needed),
        cmocka_unit_test(without_memory_for_it_everything_arrives_by_time_outs),
        cmocka_unit_test(a_silent_peer_is_given_up_after_twelve_time_outs),
        cmocka_unit_test(a_shorter_path_sends_all_again_at_the_same_rate),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
