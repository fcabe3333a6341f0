/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/tcp_sending.c tests/unit/world/tcp_card.c */
/*
 * Tests net/transport/tcp/sender_output.c and piece.c: what goes when, and in which pieces.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/transport/tcp/queue.h"
#include "net/transport/tcp/recovery_block.h"
#include "net/transport/tcp/sender.h"
#include "tests/unit/world/tcp_sending.h"

/* --- New data --- */

static void all_that_is_queued_goes_in_one_frame_with_fin(void **state)
{
    (void)state;
    assert_true(queue_append_copy(&tcb, card_archive, 250));
    sending_append(&tcb, 14000);
    sender_close(&tcb);
    assert_false(sender_has_sent_fin(&tcb));
    assert_string_equal(sending_go(&tcb), "0+14250PF");
    assert_true(sender_has_sent_fin(&tcb));
    assert_int_equal(tcb.snd_max, FIRST + 14251);
    assert_false(seen.is_limited);
    assert_string_equal(sending_go(&tcb), "");
}

static void fin_goes_alone_when_all_else_is_sent(void **state)
{
    (void)state;
    sending_append(&tcb, 100);
    assert_string_equal(sending_go(&tcb), "0+100P");
    sender_close(&tcb);
    sender_close(&tcb); /* again: nothing */
    assert_string_equal(sending_go(&tcb), "100+0F");
    assert_false(sending_acknowledge(100, 65535));
    assert_true(sending_acknowledge(101, 65535));
    assert_false(sending_acknowledge(101, 65535)); /* not for the first time */
    assert_true(sender_is_fin_acknowledged(&tcb));
    assert_int_equal(seen.acknowledged_bytes, 100);
}

static void whole_segments_go_as_far_as_congestion_control_says(void **state)
{
    (void)state;
    tcb.cwnd = 10 * MSS + 500;
    sending_append(&tcb, 100000);
    assert_string_equal(sending_go(&tcb), "0+14600P");
    assert_true(seen.is_limited);
    assert_int_equal(tcb.reference_count, 2); /* split where sending has stopped */
    assert_string_equal(sending_go(&tcb), "");
}

/* RFC 7661: more than half counts as used, whatever keeps the rest from going. */
static void more_than_half_of_what_congestion_control_allows_counts_as_used(void **state)
{
    (void)state;
    tcb.cwnd = 20 * MSS;
    sending_append(&tcb, 100000);
    tcb.snd_wnd = 10 * MSS;
    assert_string_equal(sending_go(&tcb), "0+14600P");
    assert_false(seen.is_half_used);
    assert_false(sending_acknowledge(2 * MSS, 12 * MSS));
    assert_string_equal(sending_go(&tcb), "14600+5840P");
    assert_true(seen.is_half_used);
    assert_false(seen.is_limited);
}

static void longer_than_a_frame_goes_in_several(void **state)
{
    (void)state;
    sending_append(&tcb, 150000);
    assert_string_equal(sending_go(&tcb), "0+64240 64240+64240 128480+21520P");
}

static void without_a_card_that_cuts_each_segment_is_a_frame(void **state)
{
    (void)state;
    card_can_cut = false;
    sending_append(&tcb, 3000);
    assert_string_equal(sending_go(&tcb), "0+1460 1460+1460 2920+80P");
}

/* And where only an acknowledgement lets more go, so that the peer does not delay it: a single
 * segment, or a probe, waited 40 ms for it. */
static void psh_is_set_where_nothing_follows(void **state)
{
    (void)state;
    sending_open(&tcb, 200000);
    tcb.cwnd = 88 * MSS;
    sending_append(&tcb, 88 * MSS + 1);
    assert_string_equal(sending_go(&tcb), "0+64240 64240+64240P");
    tcb.cwnd = 89 * MSS;
    assert_string_equal(sending_go(&tcb), "128480+1P");
}

static void a_part_goes_only_if_it_is_worth_it(void **state)
{
    (void)state;
    tcb.cwnd = 30 * MSS;
    sending_append(&tcb, 100 * MSS);
    assert_string_equal(sending_go(&tcb), "0+43800P");
    assert_false(sending_acknowledge(2 * MSS, 65535));
    assert_string_equal(sending_go(&tcb), ""); /* more acknowledgements are on their way */
    assert_false(sending_acknowledge(9 * MSS, 65535));
    assert_string_equal(sending_go(&tcb), "");
    assert_false(sending_acknowledge(10 * MSS, 65535));
    assert_string_equal(sending_go(&tcb), "43800+14600P");
}

/* On a long way what waits is missing from each round trip: a third of the window was. */
static void more_than_a_millisecond_of_the_rate_does_not_wait(void **state)
{
    (void)state;
    tcb.cwnd = 30 * MSS;
    tcb.srtt_us8 = 20000 * 8;
    sending_append(&tcb, 100 * MSS);
    assert_string_equal(sending_go(&tcb), "0+43800P");
    assert_false(sending_acknowledge(MSS, 65535));
    assert_string_equal(sending_go(&tcb), "");
    assert_false(sending_acknowledge(2 * MSS, 65535));
    assert_string_equal(sending_go(&tcb), "43800+2920P");
}

/* Nothing was under way for as long as a time-out; then what is sent counts as the last. */
static void after_idle_time_congestion_control_is_asked_first(void **state)
{
    (void)state;
    tcb.rto_us = 1000;
    tcb.last_send_us = tcp_now_us() - 1000;
    sending_append(&tcb, 100);
    (void)sending_go(&tcb);
    assert_int_equal(seen.idle_count, 1);
    assert_int_equal(tcb.last_send_us, tcp_now_us());
    tcb.last_send_us -= 1000;
    sending_append(&tcb, 100);
    (void)sending_go(&tcb);
    assert_int_equal(seen.idle_count, 1);
    assert_false(sending_acknowledge(200, 65535));
    tcb.last_send_us = tcp_now_us() - 999;
    sending_append(&tcb, 100);
    (void)sending_go(&tcb);
    assert_int_equal(seen.idle_count, 1);
    assert_false(sending_acknowledge(300, 65535));
    tcb.last_send_us -= 1000;
    sending_append(&tcb, 100);
    (void)sending_go(&tcb);
    assert_int_equal(seen.idle_count, 2);
}

/* --- What was lost --- */

/* Not quiet. */
static struct recovery recovery;

static void lose(uint32_t offset, uint32_t end)
{
    struct reference *first = queue_split(&tcb, tcb.queue_head, FIRST + offset);
    struct reference *last = queue_split(&tcb, tcb.queue_head, FIRST + end);

    assert_non_null(first);
    tcb.recovery = &recovery;
    for (struct reference *i = first; i != last && i != tcb.unsent; i = i->next) {
        i->flags |= REFERENCE_LOST;
    }
}

static void what_is_lost_goes_before_what_is_new(void **state)
{
    (void)state;
    tcb.cwnd = 10 * MSS;
    sending_append(&tcb, 30 * MSS);
    assert_string_equal(sending_go(&tcb), "0+14600P");
    lose(2 * MSS, 4 * MSS);
    lose(6 * MSS, 7 * MSS);
    assert_string_equal(sending_go(&tcb), "2920+2920 8760+1460P");
    tcb.cwnd = 16 * MSS;
    lose(0, 2 * MSS);
    assert_string_equal(sending_go(&tcb), "0+2920 14600+8760P");
}

static void what_is_lost_goes_as_far_as_the_quota(void **state)
{
    (void)state;
    tcb.cwnd = 10 * MSS;
    sending_append(&tcb, 30 * MSS);
    (void)sending_go(&tcb);
    lose(0, 10 * MSS);
    tcb.cwnd = MSS + 100;
    assert_string_equal(sending_go(&tcb), "0+1460P");
    tcb.cwnd = 2 * MSS - 1;
    assert_string_equal(sending_go(&tcb), "");
    tcb.cwnd = 5 * MSS;
    assert_string_equal(sending_go(&tcb), "1460+5840P");
}

static void a_lost_fin_goes_again(void **state)
{
    (void)state;
    sending_append(&tcb, 1000);
    sender_close(&tcb);
    assert_string_equal(sending_go(&tcb), "0+1000PF");
    assert_false(sending_acknowledge(1000, 10000));
    tcb.queue_head->flags |= REFERENCE_LOST;
    assert_string_equal(sending_go(&tcb), "1000+0F");
}

/* The peer may shrink its window: beyond it nothing goes, but for a segment at its beginning. */
static void what_is_lost_beyond_the_window_waits(void **state)
{
    (void)state;
    sending_append(&tcb, 10 * MSS);
    (void)sending_go(&tcb);
    lose(0, 10 * MSS);
    assert_false(sending_acknowledge(0, 0));
    assert_string_equal(sending_go(&tcb), "0+1460P");
    assert_string_equal(sending_go(&tcb), "");
    assert_false(sending_acknowledge(0, 3 * MSS));
    assert_string_equal(sending_go(&tcb), "1460+2920P");
    assert_int_equal(tcb.persist_interval_us, 0); /* retransmission probes it */
}

static void a_shorter_path_has_all_sent_again(void **state)
{
    (void)state;
    sending_append(&tcb, 3000);
    assert_string_equal(sending_go(&tcb), "0+3000P");
    sender_lower_mss(&tcb, 1000);
    assert_int_equal(seen.mark_count, 1);
    assert_string_equal(sending_go(&tcb), "0+3000P");
    sender_lower_mss(&tcb, 1200); /* never more */
    assert_int_equal(tcb.mss, 1000);
    assert_int_equal(seen.mark_count, 1);
}

/* --- Probes for the tail --- */

static void a_tail_probe_is_something_new(void **state)
{
    (void)state;
    tcb.cwnd = MSS;
    sending_append(&tcb, 3 * MSS);
    assert_string_equal(sending_go(&tcb), "0+1460P");
    tcb.recovery = &recovery;
    given.is_probe_due = true;
    assert_string_equal(sending_go(&tcb), "1460+1460P");
    assert_false(given.is_probe_due);
}

static void a_tail_probe_is_the_last_segment_again(void **state)
{
    (void)state;
    sending_append(&tcb, 3 * MSS);
    assert_string_equal(sending_go(&tcb), "0+4380P");
    tcb.recovery = &recovery;
    given.is_probe_due = true;
    assert_string_equal(sending_go(&tcb), "2920+1460P");
    sender_close(&tcb);
    assert_string_equal(sending_go(&tcb), "4380+0F");
    tcb.recovery = &recovery;
    given.is_probe_due = true;
    assert_string_equal(sending_go(&tcb), "2920+1460PF");
    assert_false(sending_acknowledge(4380, 65535));
    tcb.recovery = &recovery;
    given.is_probe_due = true;
    assert_string_equal(sending_go(&tcb), "4380+0F");
}

static void a_tail_probe_is_no_more_than_the_window_takes(void **state)
{
    (void)state;
    sending_open(&tcb, 4000);
    sending_append(&tcb, 10000);
    assert_string_equal(sending_go(&tcb), "0+2920P");
    tcb.recovery = &recovery;
    given.is_probe_due = true;
    assert_string_equal(sending_go(&tcb), "2920+1080P");
    tcb.recovery = &recovery;
    given.is_probe_due = true;
    assert_string_equal(sending_go(&tcb), "2540+1460P");
}

/* --- Selective acknowledgements of ours --- */

static void what_waits_beyond_a_hole_is_told_before_data(void **state)
{
    static uint8_t loan; /* something waits beyond a hole: it is not looked into here */
    const struct card_frame *frame;

    (void)state;
    tcb.loan = (struct loan *)&loan;
    tcb.ack_due = ACK_ALONE;
    card_sack_bytes = 12;
    sending_append(&tcb, 1460);
    assert_true(sender_output(&tcb));
    frame = card_expect();
    assert_int_equal(frame->length_bytes, 0);
    assert_int_equal(frame->option_bytes, 12);
    frame = card_expect();
    assert_int_equal(frame->length_bytes, 1460);
    assert_int_equal(frame->option_bytes, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, sending_set_up, sending_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(all_that_is_queued_goes_in_one_frame_with_fin),
        TEST(fin_goes_alone_when_all_else_is_sent),
        TEST(whole_segments_go_as_far_as_congestion_control_says),
        TEST(more_than_half_of_what_congestion_control_allows_counts_as_used),
        TEST(longer_than_a_frame_goes_in_several),
        TEST(without_a_card_that_cuts_each_segment_is_a_frame),
        TEST(psh_is_set_where_nothing_follows),
        TEST(a_part_goes_only_if_it_is_worth_it),
        TEST(more_than_a_millisecond_of_the_rate_does_not_wait),
        TEST(after_idle_time_congestion_control_is_asked_first),
        TEST(what_is_lost_goes_before_what_is_new),
        TEST(what_is_lost_goes_as_far_as_the_quota),
        TEST(a_lost_fin_goes_again),
        TEST(what_is_lost_beyond_the_window_waits),
        TEST(a_shorter_path_has_all_sent_again),
        TEST(a_tail_probe_is_something_new),
        TEST(a_tail_probe_is_the_last_segment_again),
        TEST(a_tail_probe_is_no_more_than_the_window_takes),
        TEST(what_waits_beyond_a_hole_is_told_before_data),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
