/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/tcp_sending.c tests/unit/world/tcp_card.c */
/*
 * Tests net/transport/tcp/persist.c: a window that is closed, or too small to be used.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/headers.h"
#include "net/transport/tcp/sender.h"
#include "tests/unit/world/tcp_sending.h"

static void close_window(uint32_t queued_bytes)
{
    sending_open(&tcb, 10000);
    tcb.has_sack = false;
    sending_append(&tcb, 1000);
    (void)sending_go(&tcb);
    if (queued_bytes != 0) {
        sending_append(&tcb, queued_bytes);
    }
    assert_false(sending_acknowledge(1000, 0));
}

static void expire_at(uint32_t ms)
{
    uint32_t deadline_us;

    sending_pass_ms(ms - 1);
    sender_expire(&tcb);
    assert_null(card_take()); /* not before */
    sending_pass_ms(1);
    assert_true(sender_deadline(&tcb, &deadline_us));
    assert_int_equal(deadline_us, tcp_now_us());
    sender_expire(&tcb);
}

static void expect_frame(uint32_t offset, uint32_t length, uint8_t tcp_flags)
{
    const struct card_frame *frame = card_expect();

    assert_int_equal(frame->sequence - FIRST, offset);
    assert_int_equal(frame->length_bytes, length);
    assert_int_equal(frame->tcp_flags, TCP_FLAG_ACK | tcp_flags);
    card_complete(1);
}

static void a_closed_window_is_probed_by_a_byte_less_and_less_often(void **state)
{
    uint32_t interval_ms = 200;

    (void)state;
    close_window(5000);
    assert_string_equal(sending_go(&tcb), "");
    for (unsigned i = 0; i < 12; i++) {
        expire_at(interval_ms);
        expect_frame(1000, 1, 0);
        assert_null(card_take());
        assert_false(sending_acknowledge(1000, 0)); /* the peer answers that it has no room */
        assert_false(seen.was_duplicate);
        assert_string_equal(sending_go(&tcb), "");
        interval_ms = interval_ms < 30000 ? 2 * interval_ms : 60000;
    }
    assert_int_equal(seen.expire_count, 0);
    assert_int_equal(seen.end_error, 0);
}

static void when_the_window_opens_the_probe_goes_again_with_what_follows(void **state)
{
    (void)state;
    close_window(5000);
    (void)sending_go(&tcb);
    expire_at(200);
    expect_frame(1000, 1, 0);
    assert_false(sending_acknowledge(1000, 10000));
    assert_string_equal(sending_go(&tcb), "1000+5000P");
    assert_int_equal(tcb.persist_interval_us, 0);
    assert_false(sending_acknowledge(6000, 10000));
    assert_int_equal(seen.acknowledged_bytes, 6000);
}

static void a_probe_that_is_taken_is_followed_by_the_next_byte(void **state)
{
    (void)state;
    close_window(3);
    (void)sending_go(&tcb);
    expire_at(200);
    expect_frame(1000, 1, 0);
    assert_false(sending_acknowledge(1001, 0));
    expire_at(400);
    expect_frame(1001, 1, 0);
    assert_false(sending_acknowledge(1002, 0));
    expire_at(800);
    expect_frame(1002, 1, TCP_FLAG_PSH);
    assert_false(sending_acknowledge(1003, 0));
    assert_int_equal(tcb.persist_interval_us, 0); /* that was all */
    assert_string_equal(sending_go(&tcb), "");
}

static void fin_probes_a_closed_window_too(void **state)
{
    (void)state;
    close_window(0);
    sender_close(&tcb);
    assert_string_equal(sending_go(&tcb), "");
    expire_at(200);
    expect_frame(1000, 0, TCP_FLAG_FIN);
    assert_true(sender_has_sent_fin(&tcb));
    expire_at(400);
    expect_frame(1000, 0, TCP_FLAG_FIN);
    assert_true(sending_acknowledge(1001, 0));
    assert_int_equal(tcb.persist_interval_us, 0);
}

static void fin_that_has_probed_goes_again_when_the_window_opens(void **state)
{
    (void)state;
    close_window(0);
    sender_close(&tcb);
    (void)sending_go(&tcb);
    expire_at(200);
    expect_frame(1000, 0, TCP_FLAG_FIN);
    assert_false(sending_acknowledge(1000, 100));
    assert_string_equal(sending_go(&tcb), "1000+0F");
    assert_true(sending_acknowledge(1001, 100));
}

/* RFC 9293 3.8.6.2.1 (4). */
static void a_silly_window_is_used_at_last(void **state)
{
    (void)state;
    close_window(5000);
    assert_false(sending_acknowledge(1000, 100));
    assert_string_equal(sending_go(&tcb), "");
    expire_at(200);
    expect_frame(1000, 100, 0);
    assert_int_equal(tcb.persist_interval_us, 0); /* it is under way like any other */
    assert_false(sending_acknowledge(1100, 100));
    assert_string_equal(sending_go(&tcb), "");
    expire_at(200);
    expect_frame(1100, 100, 0);
}

static void an_orphan_probes_eight_times(void **state)
{
    (void)state;
    close_window(5000);
    tcb.is_orphan = true;
    (void)sending_go(&tcb);
    for (unsigned i = 0; i < 8; i++) {
        sending_pass_ms(tcb.persist_interval_us / 1000);
        sender_expire(&tcb);
        expect_frame(1000, 1, 0);
        assert_false(sending_acknowledge(1000, 0));
        assert_int_equal(seen.abort_error, 0);
    }
    sending_pass_ms(tcb.persist_interval_us / 1000);
    sender_expire(&tcb);
    assert_int_equal(seen.abort_error, ETIMEDOUT);
    assert_null(card_take());
}

static void an_orphan_with_a_long_round_trip_probes_for_a_minute(void **state)
{
    uint64_t begin_ns;

    (void)state;
    close_window(5000);
    tcb.is_orphan = true;
    tcb.rto_us = 5000000;
    (void)sending_go(&tcb);
    begin_ns = card_now_ns;
    while (seen.abort_error == 0) {
        sending_pass_ms(tcb.persist_interval_us / 1000);
        sender_expire(&tcb);
        (void)sending_acknowledge(1000, 0);
    }
    assert_in_range((card_now_ns - begin_ns) / NS_PER_S, 60, 90);
}

static void a_peer_that_does_not_answer_probes_ends(void **state)
{
    unsigned probes = 0;

    (void)state;
    close_window(5000);
    (void)sending_go(&tcb);
    while (seen.end_error == 0) {
        sending_pass_ms(tcb.persist_interval_us / 1000);
        sender_expire(&tcb);
        probes += card_take() != NULL;
        card_complete(1);
    }
    assert_int_equal(seen.end_error, ETIMEDOUT);
    assert_int_equal(probes, 15);
}

static void a_probe_without_room_is_tried_at_its_next_time(void **state)
{
    (void)state;
    close_window(5000);
    (void)sending_go(&tcb);
    card_room = 0;
    expire_at(200);
    assert_null(card_take());
    card_room = 10;
    assert_int_equal(sender_poll_blocked(), 0); /* the window is closed */
    expire_at(200);
    expect_frame(1000, 1, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, sending_set_up, sending_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_closed_window_is_probed_by_a_byte_less_and_less_often),
        TEST(when_the_window_opens_the_probe_goes_again_with_what_follows),
        TEST(a_probe_that_is_taken_is_followed_by_the_next_byte),
        TEST(fin_probes_a_closed_window_too),
        TEST(fin_that_has_probed_goes_again_when_the_window_opens),
        TEST(a_silly_window_is_used_at_last),
        TEST(an_orphan_probes_eight_times),
        TEST(an_orphan_with_a_long_round_trip_probes_for_a_minute),
        TEST(a_peer_that_does_not_answer_probes_ends),
        TEST(a_probe_without_room_is_tried_at_its_next_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
