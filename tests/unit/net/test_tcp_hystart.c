/* SPDX-License-Identifier: MIT */
/* sources: net/transport/tcp/hystart.c tests/unit/world/panic.c */
/*
 * Tests net/transport/tcp/hystart.c against RFC 9406 4.2 and 4.3 in real numbers: the window stays
 * within a segment of the model's, and slow start ends in the same round.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "net/transport/tcp/congestion.h"
#include "net/transport/tcp/hystart.h"
#include "net/transport/tcp/tcb.h"

#define MSS 1000u

static struct tcb tcb;

static void open_tcb(void)
{
    memset(&tcb, 0, sizeof(tcb));
    tcb.mss = MSS;
    tcb.snd_una = tcb.snd_max = 0xFFFFF000; /* wraps soon */
    tcb.cwnd = 10 * MSS;
    tcb.ssthresh = CONGESTION_SSTHRESH_MAX;
    hystart_open(&tcb);
}

static uint32_t increase(uint32_t bytes, unsigned ack_count, uint32_t rtt_us)
{
    bool is_over;
    uint32_t grown = hystart_increase(&tcb, bytes, ack_count, rtt_us, &is_over);

    if (is_over) {
        tcb.ssthresh = tcb.cwnd + grown;
    }
    return grown;
}

/* --- The model: in segments and seconds --- */

static struct {
    double cwnd, last_min, this_min, baseline;
    unsigned samples, css_round;
    bool is_css, is_over;
} model;

static void model_open(void)
{
    memset(&model, 0, sizeof(model));
    model.cwnd = 10;
    model.last_min = model.this_min = INFINITY;
}

static void model_round(void)
{
    model.last_min = model.this_min;
    model.this_min = INFINITY;
    model.samples = 0;
    if (model.is_css && ++model.css_round > 5) {
        model.is_over = true;
    }
}

static void model_acknowledge(double segments, unsigned acks, double rtt)
{
    model.this_min = fmin(model.this_min, rtt);
    model.samples += acks;
    if (model.samples >= 8 && !model.is_css && !isinf(model.last_min) &&
        model.this_min >= model.last_min + fmin(fmax(0.004, model.last_min / 8), 0.016)) {
        model.is_css = true;
        model.css_round = 1;
        model.baseline = model.this_min;
    } else if (model.samples >= 8 && model.is_css && model.this_min < model.baseline) {
        model.is_css = false;
    }
    model.cwnd += model.is_css ? segments / 4 : segments;
}

/* One round trip: all of the window goes, and is acknowledged by so many segments at once. Returns
 * whether slow start goes on. */
static bool run_round(unsigned segments_each, unsigned acks_each, uint32_t rtt_us)
{
    uint32_t window = tcb.cwnd / MSS;

    tcb.snd_max = tcb.snd_una + window * MSS;
    if (tcb.hystart_round_end == tcb.snd_una) {
        tcb.hystart_round_end = tcb.snd_max; /* the first one of all */
    }
    for (uint32_t sent = 0; sent < window; sent += segments_each) {
        uint32_t bytes = (window - sent < segments_each ? window - sent : segments_each) * MSS;

        assert_int_equal(tcb.ssthresh, CONGESTION_SSTHRESH_MAX);
        tcb.snd_una += bytes;
        tcb.snd_max = tcb.snd_una + tcb.cwnd / MSS * MSS;
        tcb.cwnd += increase(bytes, acks_each, rtt_us);
        model_acknowledge(bytes / (double)MSS, acks_each, rtt_us / 1e6);
        assert_true(fabs(tcb.cwnd / (double)MSS - model.cwnd) < 1);
    }
    tcb.hystart_round_end = tcb.snd_una + tcb.cwnd / MSS * MSS; /* all goes before what comes */
    model_round();
    assert_true(model.is_over == (tcb.ssthresh == tcb.cwnd));
    return !model.is_over;
}

static void steady_round_trips_double_the_window(void **state)
{
    (void)state;
    open_tcb();
    model_open();
    for (int round = 0; round < 8; round++) {
        uint32_t before = tcb.cwnd;

        assert_true(run_round(2, 1, 50000));
        assert_int_equal(tcb.cwnd, 2 * before);
    }
}

static void longer_ones_slow_it_down_and_end_it_after_five_rounds(void **state)
{
    static const struct {
        uint32_t rtt_us, threshold_us;
    } cases[] = {{5000, 4000}, {32000, 4000}, {64000, 8000}, {128000, 16000}, {500000, 16000}};

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        unsigned rounds = 0;
        uint32_t before;

        open_tcb();
        model_open();
        for (int round = 0; round < 3; round++) {
            assert_true(run_round(2, 1, cases[i].rtt_us));
        }
        before = tcb.cwnd;
        assert_true(run_round(2, 1, cases[i].rtt_us + cases[i].threshold_us - 1));
        assert_int_equal(tcb.cwnd, 2 * before);
        while (run_round(2, 1, cases[i].rtt_us + 3 * cases[i].threshold_us)) {
            rounds++;
        }
        assert_int_equal(rounds, 4); /* and the one that found it out */
    }
}

static void jitter_does_not_end_it(void **state)
{
    (void)state;
    open_tcb();
    model_open();
    for (int round = 0; round < 7; round++) {
        assert_true(run_round(2, 1, round % 2 == 0 ? 20000 : 30000));
    }
    assert_int_equal(tcb.hystart_css_rounds, 0);
    assert_true(tcb.cwnd > 300 * MSS);
}

/* A merged acknowledgement counts as all that it stands for: for growth, and as samples. */
static void merged_acknowledgements_count_as_what_they_stand_for(void **state)
{
    uint32_t window;

    (void)state;
    open_tcb();
    model_open();
    for (int round = 0; round < 4; round++) {
        window = tcb.cwnd;
        assert_true(run_round(16, 8, 20000));
        assert_int_equal(tcb.cwnd, 2 * window);
    }
    assert_true(run_round(16, 8, 40000));
    assert_true(tcb.hystart_css_rounds > 0);
}

/* Of a receiver that merges segments, and so acknowledges hundreds at once. */
static void one_acknowledgement_adds_all_that_it_acknowledges(void **state)
{
    (void)state;
    open_tcb();
    model_open();
    for (int round = 0; round < 8; round++) {
        uint32_t before = tcb.cwnd;

        assert_true(run_round(before / MSS, 1, 50000));
        assert_int_equal(tcb.cwnd, 2 * before);
    }
}

/* It may stand for what had come before a time-out. */
static void in_later_slow_starts_it_adds_eight_segments_at_most(void **state)
{
    (void)state;
    open_tcb();
    tcb.ssthresh = 1000 * MSS;
    tcb.snd_max = tcb.snd_una + 100 * MSS;
    tcb.snd_una += 50 * MSS;
    assert_int_equal(increase(50 * MSS, 1, 1000), 8 * MSS);
    assert_int_equal(increase(50 * MSS, 3, 1000), 24 * MSS);
}

/* The others know where to end, and do not measure. */
static void later_slow_starts_end_at_ssthresh(void **state)
{
    (void)state;
    open_tcb();
    tcb.ssthresh = 20 * MSS;
    tcb.cwnd = 18 * MSS;
    assert_int_equal(increase(MSS, 1, 1000), MSS);
    assert_int_equal(increase(4 * MSS, 1, 1000), 2 * MSS);
    assert_int_equal(tcb.hystart_round_samples, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steady_round_trips_double_the_window),
        cmocka_unit_test(longer_ones_slow_it_down_and_end_it_after_five_rounds),
        cmocka_unit_test(jitter_does_not_end_it),
        cmocka_unit_test(merged_acknowledgements_count_as_what_they_stand_for),
        cmocka_unit_test(one_acknowledgement_adds_all_that_it_acknowledges),
        cmocka_unit_test(in_later_slow_starts_it_adds_eight_segments_at_most),
        cmocka_unit_test(later_slow_starts_end_at_ssthresh),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
