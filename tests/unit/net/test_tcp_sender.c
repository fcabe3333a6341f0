/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/tcp_sending.c tests/unit/world/tcp_card.c */
/*
 * Tests net/transport/tcp/sender.c: windows, acknowledgements, deadlines.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/headers.h"
#include "net/packet.h"
#include "net/transport/tcp/loss_timer.h"
#include "net/transport/tcp/queue.h"
#include "net/transport/tcp/recovery_block.h"
#include "net/transport/tcp/sender.h"
#include "tests/unit/world/tcp_sending.h"

/* --- The window --- */

static void no_more_goes_than_the_window_takes(void **state)
{
    (void)state;
    sending_open(&tcb, 5000);
    sending_append(&tcb, 10000);
    assert_string_equal(sending_go(&tcb), "0+4380P");
    assert_false(sending_acknowledge(2920, 5000));
    assert_string_equal(sending_go(&tcb), "4380+2920P");
}

static void windows_of_less_than_a_segment(void **state)
{
    static const struct {
        uint32_t window_bytes;
        const char *sent;
    } cases[] = {{0, ""}, {1, "0+1P"}, {2, "0+1 1+1P"}, {MSS - 1, "0+729 729+729P"}};

    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(cases); i++) {
        sender_drop(&tcb);
        sending_open(&tcb, cases[i].window_bytes);
        sending_append(&tcb, 100000);
        assert_string_equal(sending_go(&tcb), cases[i].sent);
    }
}

/* RFC 9293 3.8.6.2.1. */
static void little_of_a_window_that_was_large_is_not_used(void **state)
{
    (void)state;
    sending_open(&tcb, 20000);
    sending_append(&tcb, 1000);
    (void)sending_go(&tcb);
    sending_append(&tcb, 100000);
    assert_false(sending_acknowledge(1000, MSS - 1));
    assert_string_equal(sending_go(&tcb), "");
    assert_int_equal(tcb.persist_interval_us, 200000);
    assert_false(sending_acknowledge(1000, 2 * MSS));
    assert_string_equal(sending_go(&tcb), "1000+2920P");
    assert_int_equal(tcb.persist_interval_us, 0);
}

/* It is all that there is: no silly window. */
static void little_goes_if_it_is_all(void **state)
{
    (void)state;
    sending_open(&tcb, 20000);
    sending_append(&tcb, 1000);
    (void)sending_go(&tcb);
    assert_false(sending_acknowledge(1000, 100));
    sending_append(&tcb, 100);
    assert_string_equal(sending_go(&tcb), "1000+100P");
}

static void fin_waits_for_a_window_as_a_byte_does(void **state)
{
    (void)state;
    sending_open(&tcb, 4000);
    sending_append(&tcb, 4000);
    sender_close(&tcb);
    assert_string_equal(sending_go(&tcb), "0+4000P");
    assert_false(sending_acknowledge(4000, 0));
    assert_string_equal(sending_go(&tcb), "");
    assert_false(sending_acknowledge(4000, 1));
    assert_string_equal(sending_go(&tcb), "4000+0F");
}

static void the_window_is_the_latest_segments(void **state)
{
    struct packet packet = {
        .kind = PACKET_SEGMENT, .sequence = IRS + 100, .tcp_flags = TCP_FLAG_ACK};
    static const struct {
        uint32_t sequence, offset;
        uint16_t window, expected;
    } cases[] = {
        {100, 50, 1000, 1000}, /* newer */
        {99, 50, 2000, 1000},  /* older */
        {100, 50, 900, 900},   /* the same again: smaller */
        {100, 50, 950, 950},   /* and larger */
        {100, 70, 800, 800},   /* the same, acknowledges more */
        {101, 70, 700, 700},
    };

    (void)state;
    sending_append(&tcb, 100);
    (void)sending_go(&tcb);
    for (unsigned i = 0; i < ARRAY_COUNT(cases); i++) {
        packet.sequence = IRS + cases[i].sequence;
        packet.acknowledgment = FIRST + cases[i].offset;
        packet.window = cases[i].window;
        if (sender_is_plain(&tcb, packet.acknowledgment)) {
            (void)!sender_acknowledge_plain(&tcb, &packet);
        } else {
            (void)!sender_acknowledge(&tcb, &packet, NULL);
        }
        assert_int_equal(tcb.snd_wnd, cases[i].expected);
    }
    assert_int_equal(tcb.snd_wnd_max, 1 << 20);
    packet.acknowledgment = FIRST + 10; /* an old one says nothing */
    packet.sequence = IRS + 200;
    packet.window = 5;
    seen.acknowledge_count = 0;
    (void)!sender_acknowledge(&tcb, &packet, NULL);
    assert_int_equal(tcb.snd_wnd, 700);
    assert_int_equal(seen.acknowledge_count, 0);
}

static void the_window_is_scaled(void **state)
{
    (void)state;
    tcb.snd_scale = 7;
    assert_false(sending_acknowledge(0, 1000 << 7));
    assert_int_equal(tcb.snd_wnd, 128000);
}

/* RFC 5681 2. */
static void a_duplicate_says_nothing_new_at_all(void **state)
{
    struct packet packet = {.kind = PACKET_SEGMENT,
                            .sequence = IRS + 1,
                            .acknowledgment = FIRST,
                            .window = 1000,
                            .tcp_flags = TCP_FLAG_ACK};

    (void)state;
    tcb.has_sack = false;
    sending_append(&tcb, 5000);
    (void)sending_go(&tcb);
    (void)!sender_acknowledge(&tcb, &packet, NULL);
    assert_false(seen.was_duplicate); /* another window */
    (void)!sender_acknowledge(&tcb, &packet, NULL);
    assert_true(seen.was_duplicate);
    packet.payload_bytes = 1;
    (void)!sender_acknowledge(&tcb, &packet, NULL);
    assert_false(seen.was_duplicate);
    packet.payload_bytes = 0;
    packet.tcp_flags |= TCP_FLAG_FIN;
    (void)!sender_acknowledge(&tcb, &packet, NULL);
    assert_false(seen.was_duplicate);
    packet.tcp_flags = TCP_FLAG_ACK;
    packet.acknowledgment++;
    (void)!sender_acknowledge(&tcb, &packet, NULL);
    assert_false(seen.was_duplicate);
}

/* --- Time --- */

static void recoverys_deadline_is_the_senders(void **state)
{
    uint32_t deadline_us;

    (void)state;
    assert_false(sender_deadline(&tcb, &deadline_us));
    given.has_recovery_deadline = true;
    given.recovery_deadline_us = tcp_now_us() + 1000;
    assert_true(sender_deadline(&tcb, &deadline_us));
    assert_int_equal(deadline_us, given.recovery_deadline_us);
    sender_expire(&tcb);
    assert_int_equal(seen.expire_count, 0);
    sending_pass_ms(1);
    sender_expire(&tcb);
    assert_int_equal(seen.expire_count, 1);
    given.is_peer_silent = true;
    sender_expire(&tcb);
    assert_int_equal(seen.end_error, ETIMEDOUT);
}

/* Else the end of the round has something to do: send, or set the timer for an earlier time. */
static void what_waits_for_nothing_is_settled(void **state)
{
    struct recovery recovery = {.is_quiet = true};
    struct wheel_entry *slot = &tcb.timer;

    (void)state;
    assert_true(sender_is_settled(&tcb));
    sending_append(&tcb, 100);
    assert_false(sender_is_settled(&tcb)); /* not sent yet */
    (void)sending_go(&tcb);
    tcb.loss_timer = LOSS_TIMER_RTO;
    tcb.loss_deadline_us = 100;
    assert_false(sender_is_settled(&tcb)); /* no timer */
    tcb.timer.link = &slot;
    tcb.timer_us = 101;
    assert_false(sender_is_settled(&tcb)); /* a late one */
    tcb.timer_us = 100;
    assert_true(sender_is_settled(&tcb));
    tcb.timer_us = UINT32_MAX; /* 101 us before that */
    assert_true(sender_is_settled(&tcb));
    tcb.recovery = &recovery;
    assert_true(sender_is_settled(&tcb));
    recovery.is_quiet = false;
    assert_false(sender_is_settled(&tcb));
    tcb.recovery = NULL;
    tcb.queue_head->flags |= REFERENCE_LOST; /* without memory for a block */
    assert_false(sender_is_settled(&tcb));
    tcb.timer.link = NULL;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, sending_set_up, sending_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(no_more_goes_than_the_window_takes),
        TEST(windows_of_less_than_a_segment),
        TEST(little_of_a_window_that_was_large_is_not_used),
        TEST(little_goes_if_it_is_all),
        TEST(fin_waits_for_a_window_as_a_byte_does),
        TEST(the_window_is_the_latest_segments),
        TEST(the_window_is_scaled),
        TEST(a_duplicate_says_nothing_new_at_all),
        TEST(recoverys_deadline_is_the_senders),
        TEST(what_waits_for_nothing_is_settled),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
