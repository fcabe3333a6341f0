/* SPDX-License-Identifier: MIT */
/* sources: net/transport/tcp/cubic.c net/transport/tcp/congestion.c net/transport/tcp/hystart.c */
/* sources: net/transport/tcp/recovery_block.c net/transport/tcp/rack.c net/transport/tcp/episode.c net/transport/tcp/newreno.c net/transport/tcp/undo.c net/transport/tcp/probe.c net/transport/tcp/prr.c net/transport/tcp/scoreboard.c */
/* sources: net/transport/tcp/queue.c net/transport/tcp/send_buffer.c kernel/message/channel.c kernel/message/status.c */
/* sources: tests/unit/world/fake_platform.c tests/unit/world/fake_memory.c */
/*
 * Tests net/transport/tcp/congestion.c: the initial window, what losses and time-outs do, idle
 * time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "libc/core/memory.h"
#include "net/transport/tcp/congestion.h"
#include "net/transport/tcp/recovery_block.h"
#include "net/transport/tcp/tcb.h"
#include "tests/unit/world/fake_platform.h"

#define MSS 1000u

static uint32_t now_us;
static struct tcb tcb;

uint32_t tcp_now_us(void)
{
    return now_us;
}

static void open_tcb(uint16_t mss)
{
    recovery_block_release(&tcb);
    memset(&tcb, 0, sizeof(tcb));
    fake_platform_reset(0, 1);
    memory_fault = NULL;
    now_us = 0xFFFF0000;
    tcb.mss = mss;
    tcb.rto_us = 200000;
    tcb.srtt_us8 = 20000 * 8;
    congestion_open(&tcb, false, tcp_now_us());
}

static void acknowledge_all_of_it(unsigned round_trips)
{
    for (unsigned i = 0; i < round_trips; i++) {
        for (uint32_t left = tcb.cwnd / tcb.mss; left > 0; left--) {
            tcb.snd_max += tcb.mss;
            congestion_on_send(&tcb, CWND_FULL);
            tcb.snd_una += tcb.mss;
            congestion_on_ack(&tcb, tcb.mss, 1, 20000);
        }
        now_us += 20000;
    }
}

/* RFC 6928 2: min(10 MSS, max(2 MSS, 14600)). */
static void the_first_window_is_ten_segments_or_what_they_may_be(void **state)
{
    static const struct {
        uint16_t mss;
        uint32_t cwnd;
    } cases[] = {{88, 880},     {536, 5360},   {1460, 14600},
                 {1461, 14600}, {7300, 14600}, {8960, 17920}};

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        open_tcb(cases[i].mss);
        assert_int_equal(tcb.cwnd, cases[i].cwnd);
        assert_int_equal(congestion_initial_bytes(&tcb), cases[i].cwnd);
    }
}

static void after_a_repeated_handshake_it_is_one(void **state)
{
    (void)state;
    open_tcb(MSS);
    congestion_open(&tcb, true, tcp_now_us());
    assert_int_equal(tcb.cwnd, MSS);
    acknowledge_all_of_it(3);
    assert_int_equal(tcb.cwnd, 8 * MSS);
}

/* A peer that acknowledges byte by byte (Savage and others, "TCP congestion control with a
 * misbehaving receiver", 1999) gets no more than one that does not: bytes count, not segments. */
static void acknowledgements_of_pieces_open_the_window_no_further(void **state)
{
    uint32_t cwnd_by_segments;

    (void)state;
    open_tcb(MSS);
    congestion_on_send(&tcb, CWND_FULL);
    congestion_on_ack(&tcb, 5 * MSS, 1, 20000);
    cwnd_by_segments = tcb.cwnd;
    open_tcb(MSS);
    for (unsigned i = 0; i < 5 * MSS; i++) {
        congestion_on_send(&tcb, CWND_FULL);
        congestion_on_ack(&tcb, 1, 1, 20000);
    }
    assert_true(tcb.cwnd <= cwnd_by_segments);
}

static void a_window_that_limits_nothing_stays_as_it_is(void **state)
{
    (void)state;
    open_tcb(MSS);
    for (int i = 0; i < 100; i++) {
        congestion_on_send(&tcb, CWND_SPARE);
        congestion_on_ack(&tcb, MSS, 1, 20000);
    }
    assert_int_equal(tcb.cwnd, 10 * MSS);
    assert_null(tcb.recovery);
}

/* RFC 7661: in slow start a half is enough, as where the peer's window follows cwnd; later it is
 * not. */
static void slow_start_goes_on_while_half_of_the_window_is_used(void **state)
{
    (void)state;
    open_tcb(MSS);
    congestion_on_send(&tcb, CWND_HALF);
    congestion_on_ack(&tcb, 6 * MSS, 3, 20000);
    assert_int_equal(tcb.cwnd, 16 * MSS);
    tcb.ssthresh = tcb.cwnd;
    congestion_on_ack(&tcb, tcb.cwnd, 8, 20000);
    assert_int_equal(tcb.cwnd, 16 * MSS);
    congestion_on_loss(&tcb, 6 * MSS); /* what counts is what was under way */
    assert_in_range(tcb.ssthresh, 4 * MSS, 5 * MSS);
}

static void slow_start_needs_no_block_and_congestion_avoidance_takes_one(void **state)
{
    (void)state;
    open_tcb(MSS);
    acknowledge_all_of_it(3);
    assert_int_equal(tcb.cwnd, 80 * MSS);
    assert_null(tcb.recovery);
    tcb.ssthresh = tcb.cwnd;
    acknowledge_all_of_it(1);
    assert_non_null(tcb.recovery);
    assert_true(tcb.cwnd >= 80 * MSS && tcb.cwnd < 82 * MSS);
}

static bool is_refused(const struct memory_kind *kind)
{
    return strcmp(kind->name, "tcp_recovery") == 0;
}

static void without_memory_the_window_stays_and_losses_make_it_smaller(void **state)
{
    (void)state;
    open_tcb(MSS);
    acknowledge_all_of_it(3);
    tcb.ssthresh = tcb.cwnd;
    memory_fault = is_refused;
    acknowledge_all_of_it(2);
    assert_int_equal(tcb.cwnd, 80 * MSS);
    congestion_on_timeout(&tcb, tcb.cwnd, true);
    assert_int_equal(tcb.cwnd, MSS);
    assert_in_range(tcb.ssthresh, 55900, 56100);
    memory_fault = NULL;
}

/* RFC 9438 4.6: of what was in flight, not of what might have been, but for want of an application
 * that sends; it may be less for a moment, too, when acknowledgements have let much go. */
static void a_loss_takes_three_tenths_of_what_was_in_use(void **state)
{
    (void)state;
    open_tcb(MSS);
    tcb.cwnd = 500 * MSS;
    congestion_on_send(&tcb, CWND_FULL);
    congestion_on_loss(&tcb, 400 * MSS);
    assert_in_range(tcb.ssthresh, 349600, 350100);
    congestion_on_loss(&tcb, 600 * MSS);
    assert_in_range(tcb.ssthresh, 419600, 420200);
    congestion_on_send(&tcb, CWND_SPARE);
    congestion_on_loss(&tcb, 100 * MSS);
    assert_in_range(tcb.ssthresh, 69900, 70100);
    congestion_on_loss(&tcb, 2 * MSS);
    assert_int_equal(tcb.ssthresh, 2 * MSS);
    congestion_on_loss(&tcb, 0);
    assert_int_equal(tcb.ssthresh, 2 * MSS);
}

static void a_time_out_leaves_one_segment_and_only_the_first_moves_ssthresh(void **state)
{
    uint32_t ssthresh;

    (void)state;
    open_tcb(MSS);
    acknowledge_all_of_it(2);
    congestion_on_timeout(&tcb, 40 * MSS, true);
    assert_int_equal(tcb.cwnd, MSS);
    ssthresh = tcb.ssthresh;
    assert_in_range(ssthresh, 27900, 28100);
    congestion_on_timeout(&tcb, MSS, false);
    assert_int_equal(tcb.ssthresh, ssthresh);
    acknowledge_all_of_it(5); /* slow start to there, and no further */
    assert_true(tcb.cwnd >= ssthresh && tcb.cwnd < ssthresh + 2 * MSS);
}

static void what_was_no_loss_leaves_no_trace(void **state)
{
    (void)state;
    open_tcb(MSS);
    acknowledge_all_of_it(2);
    assert_non_null(recovery_block(&tcb));
    congestion_on_timeout(&tcb, tcb.cwnd, true);
    congestion_undo(&tcb);
    assert_int_equal(tcb.cwnd, 40 * MSS);
    assert_int_equal(tcb.ssthresh, CONGESTION_SSTHRESH_MAX);

    tcb.ssthresh = 30 * MSS;
    congestion_on_loss(&tcb, tcb.cwnd);
    tcb.cwnd = tcb.ssthresh;
    congestion_undo(&tcb);
    assert_int_equal(tcb.cwnd, 40 * MSS);
    assert_int_equal(tcb.ssthresh, 30 * MSS);
}

/* RFC 5681 4.1, gently. */
static void an_idle_window_is_halved_for_each_time_out_but_not_below_the_first(void **state)
{
    static const uint32_t cwnd_after[] = {80, 40, 20, 10, 10};

    (void)state;
    for (unsigned timeouts = 0; timeouts < ARRAY_COUNT(cwnd_after); timeouts++) {
        open_tcb(MSS);
        acknowledge_all_of_it(3);
        now_us = tcb.last_send_us + timeouts * tcb.rto_us + tcb.rto_us / 2;
        congestion_after_idle(&tcb);
        assert_int_equal(tcb.cwnd, cwnd_after[timeouts] * MSS);
    }
    open_tcb(MSS);
    acknowledge_all_of_it(3);
    tcb.ssthresh = 20 * MSS;
    now_us += 10000000;
    congestion_after_idle(&tcb);
    assert_int_equal(tcb.ssthresh, 60 * MSS); /* where it was known to work */
}

/* After a time-out it is one segment, which idle time does not make more. */
static void idle_time_makes_no_window_larger(void **state)
{
    (void)state;
    open_tcb(MSS);
    congestion_on_timeout(&tcb, 10 * MSS, true);
    now_us += 10000000;
    congestion_after_idle(&tcb);
    assert_int_equal(tcb.cwnd, MSS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_window_is_ten_segments_or_what_they_may_be),
        cmocka_unit_test(after_a_repeated_handshake_it_is_one),
        cmocka_unit_test(acknowledgements_of_pieces_open_the_window_no_further),
        cmocka_unit_test(a_window_that_limits_nothing_stays_as_it_is),
        cmocka_unit_test(slow_start_goes_on_while_half_of_the_window_is_used),
        cmocka_unit_test(slow_start_needs_no_block_and_congestion_avoidance_takes_one),
        cmocka_unit_test(without_memory_the_window_stays_and_losses_make_it_smaller),
        cmocka_unit_test(a_loss_takes_three_tenths_of_what_was_in_use),
        cmocka_unit_test(a_time_out_leaves_one_segment_and_only_the_first_moves_ssthresh),
        cmocka_unit_test(what_was_no_loss_leaves_no_trace),
        cmocka_unit_test(an_idle_window_is_halved_for_each_time_out_but_not_below_the_first),
        cmocka_unit_test(idle_time_makes_no_window_larger),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
