/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/fake_client.c */
/* library: lwip */
/*
 * Tests the retransmission time-out (RFC 6298) of whole connections: what is measured, what becomes
 * of it, and how often a silent peer is asked.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "drivers/nic/frame.h"
#include "kernel/message/dispatch.h"
#include "net/transport/connection.h"
#include "net/transport/table.h"
#include "net/transport/tcp/recovery.h"
#include "net/transport/tcp/round_trip.h"
#include "net/transport/tcp/rto_option.h"
#include "net/transport/tcp/tcb.h"
#include "tests/unit/world/fake_client.h"
#include "tests/unit/world/fake_platform.h"

#define RTO_MIN_US       (1000 * RTO_MIN_DEFAULT_MS)
#define TICKS_PER_SECOND 10
#define TICK_NS          (NS_PER_S / TICKS_PER_SECOND)
#define TICK_US          (US_PER_S / TICKS_PER_SECOND)
#define US_PER_S         1000000u

static void advance_ticks(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        wire_advance_ns(TICK_NS);
    }
}

/* As wire_accept(), with so many ticks between the SYN-ACK and its acknowledgement; SYN-ACKs that
 * were sent again are taken. */
static void accept_after(struct client *client, unsigned ticks)
{
    const struct connection_available *available;
    struct segment again;

    *client = (struct client){.port = wire_new_port(), .send_next = 7000};
    wire_assign(client, NODE_APPLICATION, false);
    client->receive_next = wire_expect(client).sequence + 1;
    advance_ticks(ticks);
    while (wire_take(&again)) {
        assert_int_equal(again.flags, WIRE_SYN | WIRE_ACK);
    }
    wire_send(client, WIRE_ACK, NULL, 0);
    wire_run();
    available = fake_expect_message(NODE_APPLICATION, CONNECTION_AVAILABLE);
    client->connection_index = available->connection_index;
    client->generation = available->generation;
    client->availability_number = available->availability_number;
    wire_claim(client);
    (void)fake_expect_message(NODE_APPLICATION, CLAIM_CONFIRMED);
    /* A node that takes none is declared dead after a while. */
    fake_expect_no_message(NODE_APPLICATION);
    fake_expect_no_message(NODE_CM);
}

/* A byte to the client, acknowledged after so many ticks. */
static void exchange_byte(struct client *client, unsigned ticks)
{
    struct segment answer;

    wire_application_send(client, "x", 1);
    wire_run();
    advance_ticks(ticks);
    client->receive_next++;
    wire_send(client, WIRE_ACK, NULL, 0);
    wire_run();
    while (wire_take(&answer)) {
        assert_int_equal(answer.length, 1);
    }
}

/* --- What is measured --- */

/* RFC 6298 2.2: SRTT = R, RTTVAR = R / 2, RTO = SRTT + 4 RTTVAR. */
static void the_handshake_is_the_first_measurement(void **state)
{
    struct client client;

    (void)state;
    accept_after(&client, 0);
    assert_int_equal(wire_tcb_of(&client)->rto_us, RTO_MIN_US);
    wire_finish(&client);
    accept_after(&client, 4);
    assert_int_equal(wire_tcb_of(&client)->rto_us, 3 * 4 * TICK_US);
    wire_finish(&client);
}

/* Which of the SYN-ACKs has been answered? RFC 6298 3, 5.7. */
static void
a_handshake_with_retransmissions_measures_nothing_and_begins_with_three_seconds(void **state)
{
    struct client client;

    (void)state;
    accept_after(&client, 5 * TICKS_PER_SECOND);
    assert_int_equal(wire_tcb_of(&client)->rto_us, 3 * US_PER_S);
    assert_int_equal(wire_tcb_of(&client)->srtt_us8, 0);
    exchange_byte(&client, 0);
    assert_int_equal(wire_tcb_of(&client)->rto_us, RTO_MIN_US); /* the first measurement */
    wire_finish(&client);
}

/* The same when it was the peer who asked again, in the round of its acknowledgement. */
static void a_repeated_syn_spoils_the_measurement_as_well(void **state)
{
    struct client client = {.port = wire_new_port(), .send_next = 7000};
    const struct connection_available *available;

    (void)state;
    wire_assign(&client, NODE_APPLICATION, false);
    client.receive_next = wire_expect(&client).sequence + 1;
    advance_ticks(2);
    wire_assign(&client, NODE_APPLICATION, false);
    (void)wire_expect(&client);
    wire_send(&client, WIRE_ACK, NULL, 0);
    wire_run();
    available = fake_expect_message(NODE_APPLICATION, CONNECTION_AVAILABLE);
    client.connection_index = available->connection_index;
    client.generation = available->generation;
    assert_int_equal(wire_tcb_of(&client)->rto_us, 3 * US_PER_S);
    wire_send(&client, WIRE_RST, NULL, 0);
    wire_run();
}

/* RFC 6298 2.3, with the constants 1/8 and 1/4, in floating point. */
static void measurements_move_the_time_out(void **state)
{
    static const unsigned round_trips[] = {4, 4, 1, 0, 0, 7, 3, 3, 3, 0};
    double srtt = 2 * TICK_US, deviation = srtt / 2;
    struct client client;

    (void)state;
    accept_after(&client, 2);
    for (unsigned i = 0; i < ARRAY_COUNT(round_trips); i++) {
        double measured = round_trips[i] * TICK_US;
        double error = measured - srtt;
        const struct tcb *tcb;

        /* What takes longer than the time-out is sent again, and not measured. */
        assert_true(measured < srtt + 4 * deviation);
        exchange_byte(&client, round_trips[i]);
        deviation += ((error < 0 ? -error : error) - deviation) / 4;
        srtt += error / 8;
        tcb = wire_tcb_of(&client);
        assert_in_range(tcb->srtt_us8 / 8, srtt - 10, srtt + 10);
        assert_in_range(tcb->rttvar_us4 / 4, deviation - 10, deviation + 10);
        if (srtt + 4 * deviation > RTO_MIN_US) {
            assert_in_range(tcb->rto_us, srtt + 4 * deviation - 50, srtt + 4 * deviation + 50);
        } else {
            assert_int_equal(tcb->rto_us, RTO_MIN_US);
        }
    }
    wire_finish(&client);
}

/* Karn's rule: which sending has been answered? The time-out stays doubled until something is
 * measured. */
static void what_was_sent_again_is_not_measured_and_the_time_out_stays_long(void **state)
{
    struct client client;
    uint32_t srtt, deviation;

    (void)state;
    accept_after(&client, 8);
    srtt = wire_tcb_of(&client)->srtt_us8;
    deviation = wire_tcb_of(&client)->rttvar_us4;
    assert_int_equal(wire_tcb_of(&client)->rto_us, 24 * TICK_US);
    exchange_byte(&client, 26); /* sent again after 24 */
    assert_int_equal(wire_tcb_of(&client)->srtt_us8, srtt);
    assert_int_equal(wire_tcb_of(&client)->rttvar_us4, deviation);
    assert_int_equal(wire_tcb_of(&client)->rto_us, 48 * TICK_US);
    exchange_byte(&client, 8);
    assert_in_range(wire_tcb_of(&client)->srtt_us8, srtt - 8, srtt + 8);
    assert_true(wire_tcb_of(&client)->rto_us < 24 * TICK_US);
    wire_finish(&client);
}

/* --- How often a silent peer is asked --- */

/* From one retransmission of a byte that nobody acknowledges to the next, until TCP gives up: in
 * ticks, at most `most`. Returns how many. */
static unsigned measure_intervals(struct client *client, unsigned intervals[], unsigned most)
{
    unsigned count = 0, ticks = 0;
    struct segment segment;

    wire_application_send(client, "x", 1);
    wire_run();
    assert_int_equal(wire_expect(client).length, 1);
    for (bool is_over = false; !is_over;) {
        wire_advance_ns(TICK_NS);
        ticks++;
        is_over = connection_find(client->connection_index, client->generation) == NULL;
        if (wire_take(&segment) || is_over) {
            assert_true(count < most);
            intervals[count++] = ticks;
            ticks = 0;
        }
        assert_true(ticks < 10000);
    }
    return count;
}

static void time_outs_double_up_to_a_minute_and_then_the_peer_is_given_up(void **state)
{
    static const unsigned expected[RECOVERY_TIMEOUTS_MAX + 1] = {2,   4,   8,   16,  32,  64, 128,
                                                                 256, 512, 600, 600, 600, 600};
    unsigned intervals[RECOVERY_TIMEOUTS_MAX + 1];
    struct client client;
    const struct connection_failed *failed;

    (void)state;
    accept_after(&client, 0);
    assert_int_equal(measure_intervals(&client, intervals, ARRAY_COUNT(intervals)),
                     ARRAY_COUNT(expected));
    for (unsigned i = 0; i < ARRAY_COUNT(expected); i++) {
        assert_in_range(intervals[i], expected[i], expected[i] + 1); /* the wheel's tick */
    }
    failed = fake_expect_message(NODE_APPLICATION, CONNECTION_FAILED);
    assert_int_equal(failed->error_number, ETIMEDOUT);
    wire_clear();
}

/* A peer gets as much time for its answer to the last retransmission as the time-out says. */
static void an_answer_to_the_last_retransmission_is_in_time(void **state)
{
    struct client client;
    struct segment segment;
    unsigned count = 0;

    (void)state;
    accept_after(&client, 0);
    wire_application_send(&client, "x", 1);
    wire_run();
    assert_int_equal(wire_expect(&client).length, 1);
    while (count < RECOVERY_TIMEOUTS_MAX) {
        wire_advance_ns(TICK_NS);
        count += wire_take(&segment);
    }
    advance_ticks(60 * TICKS_PER_SECOND - 1);
    client.receive_next++;
    wire_send(&client, WIRE_ACK, NULL, 0);
    wire_run();
    assert_int_equal(wire_tcb_of(&client)->silent_timeouts, 0);
    /* So much of the back-off stays until something is measured. */
    assert_int_equal(wire_tcb_of(&client)->rto_us, round_trip_floor_us << ROUND_TRIP_BACKOFF_KEPT);
    wire_finish(&client);
}

static void acknowledge(const struct client *client, uint32_t acknowledgement, uint32_t window)
{
    uint8_t bytes[FRAME_MAX_BYTES];
    struct segment segment = {
        .client_port = client->port,
        .flags = WIRE_ACK,
        .sequence = client->send_next,
        .acknowledgement = acknowledgement,
        .window = window,
    };

    wire_receive_frame(bytes, wire_build(bytes, &segment),
                       FRAME_IP_CHECKSUM_GOOD | FRAME_L4_CHECKSUM_GOOD);
    wire_run();
}

/* A segment that is to be sent again waits for the window, and is then acknowledged after all:
 * nothing is left to be asked for. */
static void a_late_acknowledgement_ends_the_wait_for_a_closed_window(void **state)
{
    struct client client;
    struct segment again;

    (void)state;
    (void)wire_accept(&client, wire_new_port());
    wire_application_send(&client, "page", 4);
    wire_run();
    assert_int_equal(wire_expect(&client).length, 4);
    acknowledge(&client, client.receive_next, 0);
    advance_ticks(2 * TICKS_PER_SECOND);
    while (wire_take(&again)) {
        assert_int_equal(again.sequence, client.receive_next);
    }
    acknowledge(&client, client.receive_next + 4, 0);
    advance_ticks(2 * TICKS_PER_SECOND);
    wire_expect_silence();
    assert_false(wheel_is_set(&wire_tcb_of(&client)->timer));
    client.receive_next += 4;
    wire_finish(&client);
}

#define TEST(name) cmocka_unit_test_teardown(name, wire_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_handshake_is_the_first_measurement),
        TEST(a_handshake_with_retransmissions_measures_nothing_and_begins_with_three_seconds),
        TEST(a_repeated_syn_spoils_the_measurement_as_well),
        TEST(measurements_move_the_time_out),
        TEST(what_was_sent_again_is_not_measured_and_the_time_out_stays_long),
        TEST(time_outs_double_up_to_a_minute_and_then_the_peer_is_given_up),
        TEST(an_answer_to_the_last_retransmission_is_in_time),
        TEST(a_late_acknowledgement_ends_the_wait_for_a_closed_window),
    };

    return cmocka_run_group_tests(tests, wire_set_up, NULL);
}
