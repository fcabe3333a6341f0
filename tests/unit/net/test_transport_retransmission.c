/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/fake_client.c */
/* library: lwip */
/*
 * Tests the retransmission time-out over the real lwIP (net/transport/lwip/round_trip.h and
 * patches/0004): what is measured, what becomes of it, and how often a silent peer is asked.
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
#include "net/transport/demux.h"
#include "net/transport/lwip/round_trip.h"
#include "net/transport/table.h"
#include "net/transport/timer.h"
#include "tests/unit/world/fake_client.h"
#include "tests/unit/world/fake_platform.h"

#define TICKS_PER_SECOND 10

static struct tcp_pcb *pcb_of(const struct client *client)
{
    struct connection *connection = connection_find(client->connection_index, client->generation);

    assert_non_null(connection);
    assert_non_null(connection->pcb);
    return connection->pcb;
}

static void advance_ticks(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        wire_advance_ns(TRANSPORT_TICK_NS);
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

/* RFC 6298 2.2: SRTT = R, RTTVAR = R / 2, RTO = SRTT + 4 RTTVAR; and our doubt. */
static void the_handshake_is_the_first_measurement(void **state)
{
    struct client client;

    (void)state;
    accept_after(&client, 0);
    assert_int_equal(pcb_of(&client)->rto, ROUND_TRIP_DOUBT_TICKS);
    wire_finish(&client);
    accept_after(&client, 4);
    assert_int_equal(pcb_of(&client)->rto, 3 * 4 + ROUND_TRIP_DOUBT_TICKS);
    wire_finish(&client);
}

/* Which of the SYN-ACKs has been answered? The whole time counted as one round trip: seven seconds
 * made 21 of them, doubled with each retransmission. RFC 6298 3, 5.7. */
static void
a_handshake_with_retransmissions_measures_nothing_and_begins_with_three_seconds(void **state)
{
    struct client client;

    (void)state;
    accept_after(&client, 7 * TICKS_PER_SECOND);
    assert_int_equal(pcb_of(&client)->rto, 3 * TICKS_PER_SECOND);
    assert_true(pcb_of(&client)->sa < 0);
    exchange_byte(&client, 0);
    assert_int_equal(pcb_of(&client)->rto, ROUND_TRIP_DOUBT_TICKS); /* the first measurement */
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
    wire_assign(&client, NODE_APPLICATION, false);
    (void)wire_expect(&client);
    (void)fake_expect_message(NODE_CM, CONNECTION_CLOSED); /* the second assignment */
    wire_send(&client, WIRE_ACK, NULL, 0);
    wire_run();
    available = fake_expect_message(NODE_APPLICATION, CONNECTION_AVAILABLE);
    client.connection_index = available->connection_index;
    client.generation = available->generation;
    assert_int_equal(pcb_of(&client)->rto, 3 * TICKS_PER_SECOND);
    wire_send(&client, WIRE_RST, NULL, 0);
    wire_run();
}

/* RFC 6298 2.3, in ticks, with the constants 1/8 and 1/4. */
static void measurements_move_the_time_out(void **state)
{
    static const struct {
        unsigned round_trip;
        int srtt_by_8, deviation_by_4;
    } steps[] = {
        {0, 0, 4}, {0, 0, 3}, {0, 0, 3}, {2, 2, 5}, {2, 4, 6}, {2, 6, 7}, {2, 8, 8}, {2, 9, 7},
    };
    struct client client;

    (void)state;
    accept_after(&client, 0);
    for (unsigned i = 0; i < ARRAY_COUNT(steps); i++) {
        exchange_byte(&client, steps[i].round_trip);
        assert_int_equal(pcb_of(&client)->sa, steps[i].srtt_by_8);
        assert_int_equal(pcb_of(&client)->sv, steps[i].deviation_by_4);
        assert_int_equal(pcb_of(&client)->rto,
                         round_trip_limit(steps[i].srtt_by_8 / 8 + steps[i].deviation_by_4));
    }
    wire_finish(&client);
}

/* Karn's rule. lwIP began a new measurement with each retransmission: an answer to the first
 * sending made the way seem shorter than it ever was. The time-out stays doubled until something is
 * measured. */
static void what_was_sent_again_is_not_measured_and_the_time_out_stays_long(void **state)
{
    struct client client;
    int srtt, deviation;

    (void)state;
    accept_after(&client, 8);
    srtt = pcb_of(&client)->sa;
    deviation = pcb_of(&client)->sv;
    assert_int_equal(pcb_of(&client)->rto, 29);
    exchange_byte(&client, 31); /* sent again after 29 */
    assert_int_equal(pcb_of(&client)->sa, srtt);
    assert_int_equal(pcb_of(&client)->sv, deviation);
    assert_int_equal(pcb_of(&client)->rto, 58);
    exchange_byte(&client, 8);
    assert_int_equal(pcb_of(&client)->sa, srtt);
    assert_int_equal(pcb_of(&client)->rto, 8 + pcb_of(&client)->sv);
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
        wire_advance_ns(TRANSPORT_TICK_NS);
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
    static const unsigned expected[TCP_MAXRTX + 1] = {5,   10,  20,  40,  80,  160, 320,
                                                      600, 600, 600, 600, 600, 600};
    unsigned intervals[TCP_MAXRTX + 1];
    struct client client;
    const struct connection_failed *failed;

    (void)state;
    accept_after(&client, 0);
    assert_int_equal(measure_intervals(&client, intervals, ARRAY_COUNT(intervals)),
                     ARRAY_COUNT(expected));
    for (unsigned i = 0; i < ARRAY_COUNT(expected); i++) {
        assert_int_equal(intervals[i], expected[i]);
    }
    failed = fake_expect_message(NODE_APPLICATION, CONNECTION_FAILED);
    assert_int_equal(failed->error_number, ETIMEDOUT);
    wire_clear();
}

/* A peer gets as much time for its answer to the last retransmission as the time-out says. lwIP
 * gave up a tick after it. */
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
    while (count < TCP_MAXRTX) {
        wire_advance_ns(TRANSPORT_TICK_NS);
        count += wire_take(&segment);
    }
    advance_ticks(ROUND_TRIP_MOST_TICKS - 1);
    client.receive_next++;
    wire_send(&client, WIRE_ACK, NULL, 0);
    wire_run();
    assert_int_equal(pcb_of(&client)->nrtx, 0);
    assert_int_equal(pcb_of(&client)->rto, ROUND_TRIP_MOST_TICKS);
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
 * lwIP's persist timer ran on without one, and its assertion ended the node. Found by fuzzing. */
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
    while (pcb_of(&client)->persist_backoff == 0) {
        advance_ticks(1);
    }
    while (wire_take(&again)) {
        assert_int_equal(again.sequence, client.receive_next);
    }
    acknowledge(&client, client.receive_next + 4, 0);
    assert_int_equal(pcb_of(&client)->persist_backoff, 0);
    advance_ticks(TICKS_PER_SECOND);
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
