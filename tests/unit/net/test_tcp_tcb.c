/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/fake_tcp.c */
/* library: lwip */
/*
 * Tests net/transport/tcp/tcb.c: the states of a connection from the handshake's end to its own,
 * and what is done at the end of a round.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "libc/core/timer.h"
#include "net/counters.h"
#include "net/headers.h"
#include "net/transport/tcp/receiver.h"
#include "net/transport/tcp/soon.h"
#include "tests/unit/world/fake_platform.h"
#include "tests/unit/world/fake_tcp.h"

#define FIN TCP_FLAG_FIN
#define RST TCP_FLAG_RST
#define ACK TCP_FLAG_ACK

#define FIN_WAIT_2_US 1000000u

static const uint32_t bases[] = {0, 0x7FFFFFFF, 0x80000000u, 0xFFFFFFFEu, 0xFFFFFFFFu};

static struct tcb tcb;
static uint32_t irs, iss;

static void open_at(uint32_t base)
{
    irs = base;
    iss = base ^ 0x80000000u;
    fake_tcp_open(&tcb, irs, iss);
}

/* Acknowledges all that we have sent, less `unacknowledged`. */
static void segment(uint8_t flags, uint32_t offset, uint16_t length, uint32_t unacknowledged)
{
    fake_tcp_segment(&tcb, (struct fake_segment){.sequence = irs + 1 + offset,
                                                 .acknowledgment = tcb.snd_max - unacknowledged,
                                                 .window = 400,
                                                 .tcp_flags = flags,
                                                 .payload_bytes = length});
}

static void consume(void)
{
    receiver_consumed(&tcb, tcb.rcv_unread_bytes);
}

static int set_up(void **state)
{
    (void)state;
    fake_tcp_reset();
    memset(&tcb, 0, sizeof(tcb));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (tcb.state != TCB_CLOSED) {
        tcb_end(&tcb, 0);
    }
    return 0;
}

/* --- Ways from the first state to the last --- */

static void we_close_first(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(bases); i++) {
        open_at(bases[i]);
        tcb_close_send(&tcb);
        assert_int_equal(tcb.state, TCB_ESTABLISHED); /* FIN has not gone */
        tcb_settle(&tcb);
        assert_int_equal(tcb.state, TCB_FIN_WAIT_1);
        segment(ACK, 0, 0, 0);
        assert_int_equal(tcb.state, TCB_FIN_WAIT_2);
        segment(ACK, 0, 700, 0); /* half-closed: it goes on */
        fake_tcp_expect_stream(700);
        tcb_settle(&tcb);
        segment(ACK | FIN, 700, 0, 0);
        assert_int_equal(tcb.state, TCB_CLOSED);
        assert_int_equal(fake.peer_closed_count, 1);
        assert_int_equal(fake.ended_count, 1);
        assert_int_equal(fake.ended_error, 0);
        assert_int_equal(fake.ack_number, irs + 702);
        assert_int_equal(fake.timewait_count, 1);
        assert_int_equal(fake.timewait_rcv_nxt, irs + 702);
        assert_int_equal(fake.timewait_snd_nxt, iss + 2);
    }
}

static void the_peers_fin_comes_with_the_acknowledgement_of_ours(void **state)
{
    (void)state;
    open_at(0);
    tcb_close_send(&tcb);
    tcb_settle(&tcb);
    segment(ACK | FIN, 0, 5, 0);
    fake_tcp_expect_stream(5);
    assert_int_equal(tcb.state, TCB_CLOSED);
    assert_int_equal(fake.timewait_count, 1);
    assert_int_equal(fake.ack_count, 1);
}

static void the_peer_closes_first(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(bases); i++) {
        open_at(bases[i]);
        segment(ACK | FIN, 0, 0, 0);
        assert_int_equal(tcb.state, TCB_CLOSE_WAIT);
        tcb_settle(&tcb);
        assert_int_equal(fake.ack_count, 1);
        segment(ACK | FIN, 0, 0, 0); /* again: an acknowledgement, and nothing else */
        assert_int_equal(tcb.state, TCB_CLOSE_WAIT);
        assert_int_equal(fake.peer_closed_count, 1);
        tcb_settle(&tcb);
        assert_int_equal(fake.ack_count, 2);
        fake_tcp_sent(&tcb, 1000);
        segment(ACK, 1, 0, 0); /* acknowledgements count */
        assert_int_equal(tcb.snd_una, tcb.snd_max);
        tcb_close(&tcb);
        tcb_settle(&tcb);
        assert_int_equal(tcb.state, TCB_LAST_ACK);
        segment(ACK | FIN, 0, 0, 1); /* again: an acknowledgement, and nothing else */
        tcb_settle(&tcb);
        assert_int_equal(fake.ack_count, 3);
        assert_int_equal(tcb.state, TCB_LAST_ACK);
        segment(ACK, 1, 0, 0);
        assert_int_equal(tcb.state, TCB_CLOSED);
        assert_int_equal(fake.ended_error, 0);
        assert_int_equal(fake.timewait_count, 0);
    }
}

/* RFC 9293 3.6: the FINs cross. */
static void both_close_at_once(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(bases); i++) {
        open_at(bases[i]);
        tcb_close_send(&tcb);
        tcb_settle(&tcb);
        segment(ACK | FIN, 0, 3, 1); /* does not acknowledge ours */
        fake_tcp_expect_stream(3);
        assert_int_equal(tcb.state, TCB_CLOSING);
        tcb_settle(&tcb);
        assert_int_equal(fake.ack_number, irs + 5);
        segment(ACK | FIN, 3, 0, 1);
        assert_int_equal(tcb.state, TCB_CLOSING);
        segment(ACK, 4, 0, 0);
        assert_int_equal(tcb.state, TCB_CLOSED);
        assert_int_equal(fake.timewait_count, 1);
        assert_int_equal(fake.peer_closed_count, 1);
    }
}

/* FIN has been sent by sender_poll_blocked(), say, and no end of a round has seen it yet. */
static void a_fin_that_has_gone_unseen_counts(void **state)
{
    (void)state;
    open_at(0);
    tcb.has_fin = true;
    fake_tcp_sent(&tcb, 1);
    segment(ACK | FIN, 0, 0, 1);
    assert_int_equal(tcb.state, TCB_CLOSING);
    tcb_end(&tcb, 0);
    open_at(0);
    tcb.has_fin = true;
    fake_tcp_sent(&tcb, 1);
    segment(ACK, 0, 0, 0);
    assert_int_equal(tcb.state, TCB_FIN_WAIT_2);
}

static void a_fin_out_of_order_waits_for_what_is_before_it(void **state)
{
    (void)state;
    open_at(UINT32_MAX - 50);
    tcb_close_send(&tcb);
    tcb_settle(&tcb);
    segment(ACK | FIN, 100, 20, 0); /* acknowledges ours all the same */
    assert_int_equal(tcb.state, TCB_FIN_WAIT_2);
    assert_int_equal(fake.peer_closed_count, 0);
    segment(ACK, 0, 100, 0);
    fake_tcp_expect_stream(120);
    assert_int_equal(fake.peer_closed_count, 1);
    assert_int_equal(tcb.state, TCB_CLOSED);
    assert_int_equal(fake.timewait_rcv_nxt, irs + 122);
}

/* What lies behind a FIN is no part of the stream. */
static void bytes_behind_a_fin_are_refused(void **state)
{
    uint64_t refused = counter_read(0, COUNTER_DROP_PROTOCOL);

    (void)state;
    open_at(0);
    segment(ACK | FIN, 0, 10, 0);
    segment(ACK, 11, 10, 0);
    segment(ACK, 15, 10, 0);
    fake_tcp_expect_stream(10);
    assert_null(tcb.loan);
    assert_int_equal(counter_read(0, COUNTER_DROP_PROTOCOL) - refused, 2);
}

/* --- Without an application --- */

/* RFC 2525 2.17. */
static void a_close_with_bytes_unread_resets(void **state)
{
    uint64_t resets = counter_read(0, COUNTER_TCP_RESETS);

    (void)state;
    open_at(0);
    segment(ACK, 0, 10, 0);
    fake_tcp_sent(&tcb, 77);
    tcb_close(&tcb);
    assert_int_equal(tcb.state, TCB_CLOSED);
    assert_int_equal(fake.reset_count, 1);
    assert_int_equal(fake.reset_sequence, iss + 78);
    assert_int_equal(fake.reset_acknowledgment, irs + 11);
    assert_int_equal(fake.ended_error, 0);
    assert_int_equal(fake.drop_count, 1);
    assert_int_equal(counter_read(0, COUNTER_TCP_RESETS) - resets, 1);
}

/* RFC 9293 3.10.7.4, seventh, for who has called CLOSE; its acknowledgements, and FIN, are taken.
 */
static void bytes_for_a_closed_application_are_reset(void **state)
{
    static const uint32_t offsets[] = {10, 50, 5};

    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(offsets); i++) {
        open_at(0);
        segment(ACK, 0, 10, 0);
        consume();
        tcb_close(&tcb);
        assert_int_equal(tcb.state, TCB_ESTABLISHED);
        tcb_settle(&tcb);
        segment(ACK, 0, 10, 0); /* a duplicate of what it has taken is none of those */
        assert_int_equal(tcb.state, TCB_FIN_WAIT_1);
        segment(ACK, 10, 0, 0);
        assert_int_equal(tcb.state, TCB_FIN_WAIT_2);
        segment(ACK, offsets[i], 10, 0);
        assert_int_equal(tcb.state, TCB_CLOSED);
        assert_int_equal(fake.reset_count, 1);
        fake_tcp_expect_stream(10);
    }
}

/* Its bytes are those that the application has had: the FIN alone is new. */
static void a_duplicate_with_a_fin_is_not_for_a_closed_application(void **state)
{
    (void)state;
    open_at(0);
    segment(ACK, 0, 10, 0);
    consume();
    tcb_close(&tcb);
    tcb_settle(&tcb);
    segment(ACK | FIN, 0, 10, 0);
    assert_int_equal(fake.reset_count, 0);
    assert_int_equal(fake.timewait_count, 1);
}

/* What timewait.h has of it is all that it takes from then on. */
static void a_peer_that_keeps_its_fin_has_the_block_for_a_second(void **state)
{
    (void)state;
    open_at(0);
    tcb_close(&tcb);
    tcb_settle(&tcb);
    fake_tcp_advance_us(30000000);
    segment(ACK, 0, 0, 0);
    tcb_settle(&tcb);
    assert_int_equal(fake.wheel_ns, (30000000 + (uint64_t)FIN_WAIT_2_US) * NS_PER_US);
    assert_int_equal(tcb.state, TCB_FIN_WAIT_2);
    assert_int_equal(fake.timewait_count, 0);
    fake_tcp_advance_us(FIN_WAIT_2_US);
    fake_tcp_expire(&tcb);
    assert_int_equal(tcb.state, TCB_CLOSED);
    assert_int_equal(fake.ended_count, 1);
    assert_int_equal(fake.ended_error, 0);
    assert_int_equal(fake.timewait_count, 1);
    assert_true(fake.is_fin_awaited);
    assert_int_equal(fake.timewait_rcv_nxt, irs + 1);
    assert_int_equal(fake.timewait_snd_nxt, iss + 2);
}

/* Somebody reads: it may take as long as it likes. */
static void a_half_closed_connection_has_no_limit(void **state)
{
    (void)state;
    open_at(0);
    tcb_close_send(&tcb);
    tcb_settle(&tcb);
    segment(ACK, 0, 0, 0);
    tcb_settle(&tcb);
    assert_int_equal(fake.wheel_count, 0);
    fake_tcp_advance_us(2 * FIN_WAIT_2_US);
    fake_tcp_expire(&tcb);
    assert_int_equal(tcb.state, TCB_FIN_WAIT_2);
    tcb_close(&tcb); /* from now on it has one */
    tcb_settle(&tcb);
    assert_int_equal(fake.wheel_ns, 3 * (uint64_t)FIN_WAIT_2_US * NS_PER_US);
    fake_tcp_advance_us(FIN_WAIT_2_US);
    fake_tcp_expire(&tcb);
    assert_int_equal(fake.timewait_count, 1);
}

/* --- Ends, in every state --- */

static void reach(enum tcb_state wanted)
{
    open_at(0xFFFFFFF0u);
    if (wanted == TCB_CLOSE_WAIT || wanted == TCB_LAST_ACK) {
        segment(ACK | FIN, 0, 0, 0);
    }
    if (wanted != TCB_ESTABLISHED && wanted != TCB_CLOSE_WAIT) {
        tcb_close_send(&tcb);
        tcb_settle(&tcb);
    }
    if (wanted == TCB_CLOSING) {
        segment(ACK | FIN, 0, 0, 1);
    }
    if (wanted == TCB_FIN_WAIT_2) {
        segment(ACK, 0, 0, 0);
    }
    assert_int_equal(tcb.state, wanted);
}

static void each_state_ends_by_a_reset(void **state)
{
    (void)state;
    for (enum tcb_state each = TCB_ESTABLISHED; each < TCB_STATE_COUNT; each++) {
        reach(each);
        segment(RST, tcb.has_peer_fin, 0, 0);
        assert_int_equal(tcb.state, TCB_CLOSED);
        assert_int_equal(fake.ended_error, ECONNRESET);
        reach(each);
        tcb_abort(&tcb, ETIMEDOUT);
        assert_int_equal(fake.ended_error, ETIMEDOUT);
        assert_int_equal(fake.reset_count, 1);
        reach(each);
        tcb_end(&tcb, ETIMEDOUT);
        assert_int_equal(fake.ended_error, ETIMEDOUT);
        assert_int_equal(fake.reset_count, 0);
    }
}

static void expect_no_way(enum tcb_state from, enum tcb_state to)
{
    struct tcb other = {.state = (uint8_t)from};

    expect_assert_failure(tcb_set_state(&other, to));
}

static void a_transition_that_is_none_panics(void **state)
{
    static const struct {
        uint8_t from, to;
    } wrong[] = {
        {TCB_CLOSED, TCB_CLOSED},           {TCB_CLOSED, TCB_FIN_WAIT_1},
        {TCB_ESTABLISHED, TCB_ESTABLISHED}, {TCB_ESTABLISHED, TCB_FIN_WAIT_2},
        {TCB_ESTABLISHED, TCB_CLOSING},     {TCB_FIN_WAIT_1, TCB_CLOSE_WAIT},
        {TCB_FIN_WAIT_2, TCB_CLOSING},      {TCB_CLOSE_WAIT, TCB_FIN_WAIT_1},
        {TCB_CLOSING, TCB_LAST_ACK},        {TCB_LAST_ACK, TCB_CLOSE_WAIT},
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(wrong); i++) {
        expect_no_way(wrong[i].from, wrong[i].to);
    }
}

/* --- The end of a round --- */

static void the_timer_is_set_for_the_earliest(void **state)
{
    (void)state;
    open_at(0);
    fake_tcp_advance_us(100);
    tcb_settle(&tcb);
    assert_int_equal(fake.wheel_count, 0); /* nothing is due */
    fake.has_deadline = true;
    fake.deadline_us = 50100;
    tcb_settle(&tcb);
    assert_int_equal(fake.wheel_ns, 50100 * NS_PER_US);
    segment(ACK, 0, 10, 0);
    tcb_settle(&tcb);
    assert_int_equal(fake.wheel_ns, 50100 * NS_PER_US); /* soon.c has its own */
    assert_int_equal(timer_next_deadline_ns(), (100 + RECEIVER_ACK_DELAY_US) * NS_PER_US);
    fake.deadline_us = 300;
    tcb_settle(&tcb);
    assert_int_equal(fake.wheel_ns, 300 * NS_PER_US);
    fake.deadline_us = 99; /* it has passed */
    tcb_settle(&tcb);
    assert_int_equal(fake.wheel_ns, 100 * NS_PER_US);
}

/* What is over by then has never been on the wheel. */
static void the_timer_of_one_that_begins_waits_for_the_look(void **state)
{
    (void)state;
    open_at(0);
    tcb.soon = 0;
    fake.has_deadline = true;
    fake.deadline_us = 200000;
    tcb_settle(&tcb);
    tcb_settle(&tcb);
    assert_int_equal(fake.wheel_count, 0);
    for (unsigned i = 1; i <= 2; i++) {
        assert_int_equal(fake.wheel_count, 0);
        fake_tcp_advance_us(RECEIVER_ACK_DELAY_US);
        (void)timer_run_expired(i * RECEIVER_ACK_DELAY_US * NS_PER_US);
    }
    assert_int_equal(fake.wheel_count, 1);
    assert_int_equal(fake.wheel_ns, 200000 * NS_PER_US);
    open_at(0);
    tcb.soon = 0;
    fake.has_deadline = true;
    fake.deadline_us =
        2 * RECEIVER_ACK_DELAY_US + SOON_LATEST_US - 1; /* it may be too late for that */
    tcb_settle(&tcb);
    assert_int_equal(fake.wheel_ns, fake.deadline_us * NS_PER_US);
}

/* As each answer does to the time-out: it costs nothing until the visit. */
static void a_later_deadline_is_found_at_the_visit(void **state)
{
    (void)state;
    open_at(0);
    fake.has_deadline = true;
    fake.deadline_us = 200000;
    tcb_settle(&tcb);
    assert_int_equal(fake.wheel_count, 1);
    fake_tcp_advance_us(100000);
    fake.deadline_us = 300000;
    tcb_settle(&tcb);
    assert_int_equal(fake.wheel_count, 1);
    fake_tcp_advance_us(100000);
    fake_tcp_expire(&tcb);
    tcb_settle(&tcb);
    assert_int_equal(fake.wheel_count, 2);
    assert_int_equal(fake.wheel_ns, 300000 * NS_PER_US);
}

/* Microseconds wrap after 71 minutes. */
static void a_deadline_beyond_the_clocks_wrap_is_ahead(void **state)
{
    (void)state;
    fake_tcp_advance_us(UINT32_MAX - 5);
    open_at(0);
    segment(ACK, 0, 10, 0);
    tcb_settle(&tcb);
    assert_int_equal(timer_next_deadline_ns(),
                     ((uint64_t)UINT32_MAX - 5 + RECEIVER_ACK_DELAY_US) * NS_PER_US);
    fake_tcp_advance_us(RECEIVER_ACK_DELAY_US - 1);
    fake_tcp_expire(&tcb);
    assert_int_equal(tcb.ack_due, ACK_DELAYED);
    fake_tcp_advance_us(1);
    fake_tcp_expire(&tcb);
    assert_int_equal(tcb.ack_due, ACK_NOW);
}

static void a_settled_block_that_is_over_is_left_alone(void **state)
{
    (void)state;
    open_at(0);
    segment(RST, 0, 0, 0);
    fake.has_data = true;
    tcb_settle(&tcb);
    assert_int_equal(fake.data_count + fake.ack_count, 0);
}

static void the_mss_becomes_smaller_only(void **state)
{
    (void)state;
    open_at(0);
    tcb_lower_mss(&tcb, FAKE_MSS);
    assert_int_equal(fake.lower_mss_count, 0);
    tcb_lower_mss(&tcb, FAKE_MSS - 1);
    assert_int_equal(fake.lower_mss_count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(we_close_first),
        TEST(the_peers_fin_comes_with_the_acknowledgement_of_ours),
        TEST(the_peer_closes_first),
        TEST(both_close_at_once),
        TEST(a_fin_that_has_gone_unseen_counts),
        TEST(a_fin_out_of_order_waits_for_what_is_before_it),
        TEST(bytes_behind_a_fin_are_refused),
        TEST(a_close_with_bytes_unread_resets),
        TEST(bytes_for_a_closed_application_are_reset),
        TEST(a_duplicate_with_a_fin_is_not_for_a_closed_application),
        TEST(a_peer_that_keeps_its_fin_has_the_block_for_a_second),
        TEST(a_half_closed_connection_has_no_limit),
        TEST(each_state_ends_by_a_reset),
        TEST(a_transition_that_is_none_panics),
        TEST(the_timer_is_set_for_the_earliest),
        TEST(the_timer_of_one_that_begins_waits_for_the_look),
        TEST(a_later_deadline_is_found_at_the_visit),
        TEST(a_deadline_beyond_the_clocks_wrap_is_ahead),
        TEST(a_settled_block_that_is_over_is_left_alone),
        TEST(the_mss_becomes_smaller_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
