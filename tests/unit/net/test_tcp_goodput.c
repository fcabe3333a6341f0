/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/tcp_path.c */
/*
 * What arrives in a time, over networks that lose by chance: in virtual time and by seed, so always
 * the same. The measure is the response function of Reno's window, sqrt(3 / 2 p) segments a round
 * trip (RFC 5348 3.1 without time-outs; RFC 9438 4.3 promises it to CUBIC on such ways), and the
 * link's rate where nothing is lost.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/transport/counters.h"
#include "tests/unit/world/tcp_path.h"

#define BYTES   4000000u
#define LONG_US 3600000000u

/* Bytes a second. */
static double run(const struct path_options *options)
{
    uint64_t took_us;

    path_open(options);
    path_write(BYTES);
    took_us = path_run(LONG_US);
    assert_true(took_us != PATH_NEVER);
    return BYTES * 1e6 / (double)took_us;
}

static uint32_t random_state;
static unsigned ack_loss_per_mille;

static uint32_t lose_acks(uint64_t now_us)
{
    (void)now_us;
    random_state = random_state * 1664525u + 1013904223u;
    return (random_state >> 10) % 1000 < ack_loss_per_mille ? PATH_LOST : 0;
}

/* The mean over some seeds, both directions losing. */
static double goodput(bool has_sack, uint32_t delay_us, unsigned loss_per_mille)
{
    struct path_options options = {.has_sack = has_sack,
                                   .delay_us = delay_us,
                                   .bytes_per_ms = delay_us < 500 ? 100000 : 10000,
                                   .queue_bytes = 400000,
                                   .loss_per_mille = loss_per_mille,
                                   .ack_fate = lose_acks};
    double sum = 0;

    ack_loss_per_mille = loss_per_mille;
    for (options.seed = 1; options.seed <= 5; options.seed++) {
        random_state = options.seed;
        sum += run(&options);
    }
    return sum / 5;
}

static double response(uint32_t delay_us, unsigned loss_per_mille)
{
    return sqrt(1.5 / (loss_per_mille / 1000.0)) * PATH_MSS / (2 * delay_us / 1e6);
}

static void with_sack_losses_cost_what_the_response_function_says(void **state)
{
    static const unsigned losses[] = {10, 30, 50};

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(losses); i++) {
        assert_true(goodput(true, 10000, losses[i]) > 1.0 * response(10000, losses[i]));
        assert_true(goodput(true, 50000, losses[i]) > 1.0 * response(50000, losses[i]));
    }
}

/* Where a round trip takes no time all that counts is never to wait for a time-out, nor for an
 * acknowledgement that is delayed: either costs as much as hundreds of losses. */
static void on_short_ways_losses_cost_no_time_outs(void **state)
{
    static const unsigned losses[] = {10, 30, 50};

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(losses); i++) {
        assert_true(goodput(true, 100, losses[i]) > 0.55 * response(100, losses[i]));
    }
}

/* Each further hole of a flight costs a round trip, and a lost retransmission a time-out. */
static void without_sack_it_is_more_but_bounded(void **state)
{
    (void)state;
    assert_true(goodput(false, 50000, 10) > 0.7 * response(50000, 10));
    assert_true(goodput(false, 50000, 30) > 0.5 * response(50000, 30));
    assert_true(goodput(false, 50000, 50) > 0.4 * response(50000, 50));
}

static void hardly_anything_goes_in_vain(void **state)
{
    struct path_options options = {.has_sack = true,
                                   .delay_us = 10000,
                                   .bytes_per_ms = 10000,
                                   .queue_bytes = 400000,
                                   .loss_per_mille = 30,
                                   .seed = 1};

    (void)state;
    (void)run(&options);
    assert_in_range(path.sent_count, 4000 * 1.02, 4000 * 1.05);
    assert_true(path_counter(COUNTER_TCP_TIMEOUTS) <= 1);
}

static void without_losses_the_link_is_full(void **state)
{
    (void)state;
    assert_true(goodput(true, 10000, 0) > 0.75 * 10e6);
    assert_true(goodput(true, 500, 0) > 0.9 * 10e6);
}

/* A receiver that merges segments (GRO) acknowledges what came in a millisecond at once, tens and
 * hundreds of them: the window is doubled each round trip all the same, to where the queue ends. */
static void a_receiver_that_merges_segments_gets_as_much(void **state)
{
    struct path_options options = {.has_sack = true, .delay_us = 50000, .seed = 1};
    double expected;

    (void)state;
    expected = run(&options);
    options.merging_us = 1000;
    assert_true(run(&options) > 0.98 * expected);
    options.bytes_per_ms = 100000;
    options.queue_bytes = 100000000;
    assert_true(run(&options) > 0.9 * expected);
}

/* CUBIC's own ground: a long way, few losses. */
static void on_long_ways_it_is_faster_than_reno(void **state)
{
    (void)state;
    assert_true(goodput(true, 50000, 1) > 1.0 * response(50000, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(with_sack_losses_cost_what_the_response_function_says),
        cmocka_unit_test(on_short_ways_losses_cost_no_time_outs),
        cmocka_unit_test(without_sack_it_is_more_but_bounded),
        cmocka_unit_test(hardly_anything_goes_in_vain),
        cmocka_unit_test(without_losses_the_link_is_full),
        cmocka_unit_test(a_receiver_that_merges_segments_gets_as_much),
        cmocka_unit_test(on_long_ways_it_is_faster_than_reno),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
