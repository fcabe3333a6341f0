/* SPDX-License-Identifier: MIT */
/* sources: net/transport/tcp/cubic.c net/transport/tcp/congestion.c net/transport/tcp/hystart.c */
/* sources: net/transport/tcp/recovery_block.c net/transport/tcp/rack.c net/transport/tcp/episode.c net/transport/tcp/newreno.c net/transport/tcp/undo.c net/transport/tcp/probe.c net/transport/tcp/prr.c net/transport/tcp/scoreboard.c */
/* sources: net/transport/tcp/queue.c net/transport/tcp/send_buffer.c kernel/message/channel.c kernel/message/status.c */
/* sources: tests/unit/world/fake_platform.c tests/unit/world/fake_memory.c */
/*
 * Tests net/transport/tcp/cubic.c against RFC 9438 in real numbers, in virtual time: the window
 * stays within a segment of the model's.
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
#include "net/transport/tcp/cubic.h"
#include "net/transport/tcp/recovery_block.h"
#include "net/transport/tcp/tcb.h"
#include "tests/unit/world/fake_platform.h"

static uint64_t now_us;

uint32_t tcp_now_us(void)
{
    return (uint32_t)now_us;
}

/* --- The model: in segments and seconds (RFC 9438 4) --- */

static struct {
    double cwnd, w_max, k, epoch, w_est, cwnd_prior;
    bool has_epoch;
} model;

static void model_acknowledge(double now, double rtt, double segments)
{
    double t, target, alpha = 3 * 0.3 / 1.7, w_cubic;

    if (!model.has_epoch) {
        model.has_epoch = true;
        model.epoch = now;
        model.w_est = model.cwnd;
        if (model.cwnd >= model.w_max) {
            model.w_max = model.cwnd;
        }
        model.k = cbrt((model.w_max - model.cwnd) / 0.4);
    }
    if (model.w_est >= model.cwnd_prior) {
        alpha = 1;
    }
    model.w_est += alpha * segments / model.cwnd;
    t = now - model.epoch;
    w_cubic = 0.4 * pow(t - model.k, 3) + model.w_max;
    target = 0.4 * pow(t + rtt - model.k, 3) + model.w_max;
    target = fmin(fmax(target, model.cwnd), 1.5 * model.cwnd);
    if (w_cubic < model.w_est) {
        model.cwnd = fmax(model.cwnd, model.w_est);
    } else {
        model.cwnd += segments * (target - model.cwnd) / model.cwnd;
    }
}

static void model_lose(void)
{
    model.cwnd_prior = model.cwnd;
    model.w_max = model.cwnd < model.w_max ? model.cwnd * 0.85 : model.cwnd;
    model.cwnd = fmax(2, model.cwnd * 0.7);
    model.has_epoch = false;
}

/* --- Ours --- */

static struct tcb tcb;

static void open_tcb(uint16_t mss, uint32_t cwnd_segments, uint32_t rtt_us)
{
    recovery_block_release(&tcb);
    memset(&tcb, 0, sizeof(tcb));
    fake_platform_reset(0, 1);
    now_us = 0xFFF00000; /* the clock wraps after a second */
    tcb.mss = mss;
    congestion_open(&tcb, false, tcp_now_us());
    tcb.cwnd = cwnd_segments * mss;
    tcb.ssthresh = tcb.cwnd;
    tcb.srtt_us8 = rtt_us * 8;
    tcb.rto_us = 200000;
    congestion_on_send(&tcb, CWND_FULL);
    assert_non_null(recovery_block(&tcb));
    memset(&model, 0, sizeof(model));
    model.cwnd = cwnd_segments;
}

/* Loses what both have in flight, and goes on at ssthresh, as after PRR. */
static void lose(void)
{
    congestion_on_loss(&tcb, tcb.cwnd);
    tcb.cwnd = tcb.ssthresh;
    model_lose();
}

/* Acknowledgements of two segments each, evenly spread, for so long. */
static double follow(uint32_t rtt_us, uint64_t for_us)
{
    uint64_t end_us = now_us + for_us;
    double worst = 0, off;

    while (now_us < end_us) {
        model_acknowledge((double)now_us / 1e6, rtt_us / 1e6, 2);
        congestion_on_ack(&tcb, 2u * tcb.mss, 1, rtt_us);
        off = fabs((double)tcb.cwnd / tcb.mss - model.cwnd);
        worst = off > worst ? off : worst;
        now_us += (uint64_t)(rtt_us / (model.cwnd / 2)) + 1;
    }
    return worst;
}

static void the_window_stays_within_a_segment_of_the_model(void **state)
{
    static const struct {
        uint32_t rtt_us, cwnd;
        uint16_t mss;
    } cases[] = {{20000, 100, 1448}, {100000, 1000, 1448}, {200000, 40, 536},
                 {1000, 20, 1448},   {50000, 400, 8960},   {100000, 10, 1448}};

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        open_tcb(cases[i].mss, cases[i].cwnd, cases[i].rtt_us);
        for (int epoch = 0; epoch < 5; epoch++) {
            double worst = follow(cases[i].rtt_us, 4000000);

            assert_true(worst < 1);
            lose();
            model.cwnd = (double)tcb.cwnd / tcb.mss; /* each epoch begins together */
        }
    }
}

static void the_way_back_takes_as_long_as_the_cube_root_says(void **state)
{
    static const uint32_t segment_sizes[] = {88, 536, 1000, 1448, 8960};

    (void)state;
    srand(1);
    for (int i = 0; i < 100000; i++) {
        uint32_t mss = segment_sizes[i % ARRAY_COUNT(segment_sizes)];
        uint32_t bytes = (uint32_t)rand() >> (i % 31);
        double exact_ms = cbrt(bytes / (double)mss / 0.4) * 1000;

        assert_true(fabs(cubic_plateau_ms(bytes, mss) - exact_ms) <= 1);
    }
    assert_int_equal(cubic_plateau_ms(0, 1448), 0);
    assert_int_equal(cubic_plateau_ms(400, 1000), 1000);
    assert_true(cubic_plateau_ms(UINT32_MAX, 1) < 131072 * 20);
}

/* 0.07 % of what the function adds, and two bytes. */
static void the_function_is_as_exact_as_its_scale(void **state)
{
    (void)state;
    for (int32_t ms = -30000; ms <= 60000; ms += 7) {
        double exact = 1e6 + 0.4 * pow(ms / 1000.0, 3) * 1448;

        assert_true(fabs((double)cubic_window_bytes(1000000, ms, 1448) - exact) <
                    fabs(exact - 1e6) * 0.0007 + 2);
    }
    assert_true(cubic_window_bytes(0, INT32_MAX, 65535) == cubic_window_bytes(0, 131071, 65535));
    assert_true(cubic_window_bytes(0, INT32_MIN, 65535) == cubic_window_bytes(0, -131071, 65535));
    assert_true(cubic_window_bytes(0, 131071, 65535) > 0);
}

/* 4.3: on short ways it is no slower than Reno would be. */
static void on_short_ways_it_grows_as_reno_does(void **state)
{
    uint32_t before;

    (void)state;
    open_tcb(1000, 40, 1000);
    lose();
    before = tcb.cwnd;
    (void)follow(1000, 8000); /* eight round trips */
    assert_in_range(tcb.cwnd - before, 8 * 1000 * 9 / 17 - 600, 8 * 1000 * 9 / 17 + 600);
}

static void who_has_less_than_the_last_time_leaves_room(void **state)
{
    (void)state;
    open_tcb(1000, 100, 20000);
    lose();
    assert_int_equal(tcb.recovery->w_max, 100000);
    lose(); /* at 70 */
    assert_in_range(tcb.recovery->w_max, 59000, 59600);
    assert_int_equal(tcb.recovery->cwnd_prior, tcb.recovery->prior_cwnd);
}

/* 5.8: neither while it sends less, nor while it sends nothing. */
static void time_that_is_not_used_does_not_count(void **state)
{
    uint32_t before;

    (void)state;
    open_tcb(1000, 200, 50000);
    lose();
    (void)follow(50000, 500000);
    before = tcb.cwnd;

    congestion_on_send(&tcb, CWND_SPARE);
    for (int i = 0; i < 1000; i++) {
        now_us += 10000;
        congestion_on_ack(&tcb, 1000, 1, 50000);
    }
    assert_int_equal(tcb.cwnd, before);
    now_us += 3000000000u;
    tcb.last_send_us = (uint32_t)now_us; /* else it would be halved */
    congestion_after_idle(&tcb);
    assert_int_equal(tcb.cwnd, before);

    congestion_on_send(&tcb, CWND_FULL);
    model.epoch += 10 + 3000; /* as if it had not been */
    assert_true(follow(50000, 2000000) < 1);
}

static void hours_of_growth_end_at_the_most_there_is(void **state)
{
    (void)state;
    open_tcb(1448, 1000, 100000);
    for (int i = 0; i < 20000; i++) {
        now_us += 500000;
        congestion_on_ack(&tcb, tcb.cwnd, 1, 100000);
        assert_true(tcb.cwnd <= CONGESTION_MAX_BYTES);
    }
    assert_int_equal(tcb.cwnd, CONGESTION_MAX_BYTES);
}

/* Before the plateau and behind it. */
static void what_is_undone_goes_on_along_the_same_curve(void **state)
{
    (void)state;
    for (uint32_t before_us = 1000000; before_us <= 9000000; before_us += 8000000) {
        open_tcb(1448, 200, 100000);
        lose();
        (void)follow(100000, before_us);
        congestion_on_loss(&tcb, tcb.cwnd);
        tcb.cwnd = tcb.ssthresh;
        congestion_undo(&tcb);
        assert_true(follow(100000, 1500000) < 2.0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_window_stays_within_a_segment_of_the_model),
        cmocka_unit_test(the_way_back_takes_as_long_as_the_cube_root_says),
        cmocka_unit_test(the_function_is_as_exact_as_its_scale),
        cmocka_unit_test(on_short_ways_it_grows_as_reno_does),
        cmocka_unit_test(who_has_less_than_the_last_time_leaves_room),
        cmocka_unit_test(time_that_is_not_used_does_not_count),
        cmocka_unit_test(hours_of_growth_end_at_the_most_there_is),
        cmocka_unit_test(what_is_undone_goes_on_along_the_same_curve),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
