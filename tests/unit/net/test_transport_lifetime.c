/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/fake_client.c */
/* library: lwip */
/*
 * Tests that no connection lives for ever: each state that one can be in, with a peer that has
 * vanished, or one that goes on answering, and an application that wants it no more. The table is
 * that of net/transport/README.md.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/nic/frame.h"
#include "kernel/message/dispatch.h"
#include "net/transport/availability.h"
#include "net/transport/connection.h"
#include "net/transport/counters.h"
#include "net/transport/orphan.h"
#include "net/transport/stream.h"
#include "net/transport/table.h"
#include "net/transport/tcp/receiver.h"
#include "net/transport/tcp/soon.h"
#include "net/transport/tcp/tcb.h"
#include "net/transport/tcp/timewait.h"
#include "tests/unit/world/fake_client.h"
#include "tests/unit/world/fake_platform.h"

#define TICK_NS (100 * NS_PER_MS)

static uint8_t bytes[4000];

static const struct connection *connection_of(const struct client *client)
{
    const struct connection *connection =
        connection_find(client->connection_index, client->generation);

    assert_non_null(connection);
    return connection;
}

static void send_with_window(const struct client *client, uint8_t flags, uint32_t window)
{
    uint8_t frame[FRAME_MAX_BYTES];
    struct segment segment = {
        .client_port = client->port,
        .flags = flags,
        .sequence = client->send_next,
        .acknowledgement = client->receive_next,
        .window = window,
    };

    wire_receive_frame(frame, wire_build(frame, &segment),
                       FRAME_IP_CHECKSUM_GOOD | FRAME_L4_CHECKSUM_GOOD);
    wire_run();
}

static void clear_wire(void)
{
    struct segment segment;

    while (wire_take(&segment)) {
    }
}

/* A node that takes none is declared dead after a while. */
static void take_messages(void)
{
    while (fake_take_message(NODE_APPLICATION) != NULL || fake_take_message(NODE_CM) != NULL) {
    }
}

/* --- Into each state --- */

static void enter_half_open(struct client *client)
{
    *client = (struct client){.port = wire_new_port(), .send_next = 500};
    wire_assign(client, NODE_APPLICATION, false);
}

static void enter_announced(struct client *client)
{
    wire_open(client, wire_new_port(), NULL);
}

static void enter_waiting(struct client *client)
{
    *client = (struct client){.port = wire_new_port(), .send_next = 500};
    wire_assign(client, NODE_NONE, false);
    client->receive_next = wire_expect(client).sequence + 1;
    wire_send(client, WIRE_ACK, NULL, 0);
    wire_run();
}

static void enter_claimed_with_data_in_flight(struct client *client)
{
    (void)wire_accept(client, wire_new_port());
    wire_application_send(client, "x", 1);
    wire_run();
    assert_int_equal(connection_of(client)->tcb.state, TCB_ESTABLISHED);
}

static void enter_claimed_behind_a_closed_window(struct client *client)
{
    (void)wire_accept(client, wire_new_port());
    send_with_window(client, WIRE_ACK, 0);
    wire_application_send(client, "x", 1);
    wire_run();
    assert_int_not_equal(connection_of(client)->tcb.persist_interval_us, 0);
}

static void enter_claimed_fin_wait_1(struct client *client)
{
    (void)wire_accept(client, wire_new_port());
    wire_application_close(client, 0, CLOSE_SEND_ONLY);
    wire_run();
    assert_int_equal(connection_of(client)->tcb.state, TCB_FIN_WAIT_1);
}

static void enter_claimed_last_ack(struct client *client)
{
    (void)wire_accept(client, wire_new_port());
    wire_send(client, WIRE_ACK | WIRE_FIN, NULL, 0);
    client->send_next++;
    wire_application_close(client, 0, CLOSE_SEND_ONLY);
    wire_run();
    assert_int_equal(connection_of(client)->tcb.state, TCB_LAST_ACK);
}

/* Closed by the application while the peer has no room: all that was sent waits in TCP's queue. */
static void enter_orphan_behind_a_closed_window(struct client *client)
{
    (void)wire_accept(client, wire_new_port());
    send_with_window(client, WIRE_ACK, 0);
    wire_application_send(client, "last words", 10);
    wire_application_close(client, 0, CLOSE_BOTH);
    wire_run();
    assert_int_equal(connection_of(client)->tcb.state, TCB_ESTABLISHED); /* FIN waits, too */
    assert_int_equal(connection_of(client)->state, CONNECTION_DETACHED);
}

/* Closed with all that its credit allows behind a closed window. */
static void enter_orphan_with_much_to_send(struct client *client)
{
    (void)wire_accept(client, wire_new_port());
    send_with_window(client, WIRE_ACK, 0);
    wire_application_send_archive(client, 0, SEND_WINDOW_BYTES);
    wire_application_close(client, 0, CLOSE_BOTH);
    wire_run();
    assert_int_equal(connection_of(client)->tcb.state, TCB_ESTABLISHED);
}

static void enter_orphan_fin_wait_1(struct client *client)
{
    (void)wire_accept(client, wire_new_port());
    wire_application_close(client, 0, CLOSE_BOTH);
    wire_run();
    client->receive_next += 1;
    assert_int_equal(connection_of(client)->tcb.state, TCB_FIN_WAIT_1);
}

static void enter_orphan_fin_wait_2(struct client *client)
{
    enter_orphan_fin_wait_1(client);
    wire_send(client, WIRE_ACK, NULL, 0);
    wire_run();
    assert_int_equal(connection_of(client)->tcb.state, TCB_FIN_WAIT_2);
}

static void enter_orphan_closing(struct client *client)
{
    enter_orphan_fin_wait_1(client);
    client->receive_next -= 1; /* has not seen our FIN */
    wire_send(client, WIRE_ACK | WIRE_FIN, NULL, 0);
    client->send_next++;
    wire_run();
    assert_int_equal(connection_of(client)->tcb.state, TCB_CLOSING);
}

static void enter_orphan_last_ack(struct client *client)
{
    (void)wire_accept(client, wire_new_port());
    wire_send(client, WIRE_ACK | WIRE_FIN, NULL, 0);
    client->send_next++;
    wire_application_close(client, 0, CLOSE_BOTH);
    wire_run();
    assert_int_equal(connection_of(client)->tcb.state, TCB_LAST_ACK);
}

/* --- To its end --- */

#define TICKS(ns)      ((unsigned)((ns) / TICK_NS))
#define ORPHAN_SHORT   TICKS(ORPHAN_PERIOD_NS), TICKS(ORPHAN_PERIOD_NS) + 4
/* It got on in the first period: the peer has said FIN. */
#define ORPHAN_TWICE   TICKS(2 * ORPHAN_PERIOD_NS), TICKS(2 * ORPHAN_PERIOD_NS) + 4
/* Or when the timer of our FIN comes, if that is sooner; then it is an entry of TIME_WAIT's table.
 */
#define FIN_WAIT       1, 12
#define HANDSHAKE      TICKS(7 * NS_PER_S), TICKS(7 * NS_PER_S) + 2
#define UNACCEPTED     TICKS(UNACCEPTED_MAX_NS), TICKS(UNACCEPTED_MAX_NS) + 2
/* Twelve retransmissions and the wait for the last one's answer, from 0.2 s on, a minute at most.
 */
#define GIVEN_UP       3422, 3440
/* Fifteen probes, likewise. */
#define PROBED_IN_VAIN 5222, 5245

static const struct {
    const char *name;
    void (*enter)(struct client *client);
    bool is_answering; /* the peer acknowledges what it had, with a closed window; else it has
                          vanished */
    unsigned least_ticks, most_ticks; /* the end comes in between */
} lives[] = {
    {"half-open, peer vanished", enter_half_open, false, HANDSHAKE},
    {"waiting, peer alive, nobody accepts", enter_waiting, true, UNACCEPTED},
    {"waiting, peer vanished", enter_waiting, false, UNACCEPTED},
    {"announced, application mute", enter_announced, true, UNACCEPTED},
    {"claimed, data in flight, peer vanished", enter_claimed_with_data_in_flight, false, GIVEN_UP},
    {"claimed, window closed, peer vanished", enter_claimed_behind_a_closed_window, false,
     PROBED_IN_VAIN},
    {"claimed, FIN_WAIT_1, peer vanished", enter_claimed_fin_wait_1, false, GIVEN_UP},
    {"claimed, LAST_ACK, peer vanished", enter_claimed_last_ack, false, GIVEN_UP},
    {"orphan, window closed, peer alive", enter_orphan_behind_a_closed_window, true, ORPHAN_SHORT},
    {"orphan, window closed, peer vanished", enter_orphan_behind_a_closed_window, false,
     ORPHAN_SHORT},
    {"orphan, much to send, peer alive", enter_orphan_with_much_to_send, true, ORPHAN_SHORT},
    {"orphan, FIN_WAIT_1, peer vanished", enter_orphan_fin_wait_1, false, ORPHAN_SHORT},
    {"orphan, FIN_WAIT_2, peer vanished", enter_orphan_fin_wait_2, false, FIN_WAIT},
    {"orphan, FIN_WAIT_2, peer alive", enter_orphan_fin_wait_2, true, FIN_WAIT},
    {"orphan, CLOSING, peer vanished", enter_orphan_closing, false, ORPHAN_TWICE},
    {"orphan, LAST_ACK, peer vanished", enter_orphan_last_ack, false, ORPHAN_SHORT},
};

/* What the peer and the other nodes do in a tick. */
static void let_others_act(const struct client *client, bool is_answering)
{
    struct segment segment;
    bool has_asked = false;

    while (wire_take(&segment)) {
        has_asked |= (segment.flags & WIRE_RST) == 0;
    }
    if (is_answering && has_asked) {
        send_with_window(client, WIRE_ACK, 0);
    }
    take_messages();
}

static void every_state_of_a_connection_has_an_end(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(lives); i++) {
        struct client client;
        unsigned ticks = 0;

        lives[i].enter(&client);
        let_others_act(&client, lives[i].is_answering);
        while (wire_connection_count() != 0 && ticks <= lives[i].most_ticks) {
            wire_advance_ns(TICK_NS);
            let_others_act(&client, lives[i].is_answering);
            ticks++;
        }
        if (ticks < lives[i].least_ticks || ticks > lives[i].most_ticks) {
            fail_msg("%s: %u ticks, not %u to %u", lives[i].name, ticks, lives[i].least_ticks,
                     lives[i].most_ticks);
        }
        wire_clear();
    }
}

/* The window closes over what has been sent already. While an application is there, the peer may
 * keep it closed for as long as it answers, and then all of it arrives. */
static void a_window_that_closes_over_data_in_flight_loses_nothing(void **state)
{
    struct client client;
    struct segment segment;
    uint32_t first;

    (void)state;
    (void)wire_accept(&client, wire_new_port());
    first = client.receive_next;
    wire_application_send(&client, bytes, 4000);
    wire_run();
    clear_wire();
    client.receive_next += WIRE_MSS;
    send_with_window(&client, WIRE_ACK, 0);
    for (unsigned i = 0; i < TICKS(1200 * NS_PER_S); i++) {
        wire_advance_ns(TICK_NS);
        let_others_act(&client, true);
    }
    assert_int_equal(connection_of(&client)->error_number, 0);
    send_with_window(&client, WIRE_ACK, 65535);
    for (unsigned i = 0; i < 50 && client.receive_next != first + 4000; i++) {
        while (wire_take(&segment)) {
            if (segment.sequence == client.receive_next) {
                client.receive_next += segment.length;
            }
        }
        send_with_window(&client, WIRE_ACK, 65535);
        wire_advance_ns(TICK_NS);
    }
    assert_int_equal(client.receive_next, first + 4000);
    wire_finish(&client);
}

/* --- Orphans --- */

/* A slow peer is served to the end: this one takes a segment in four seconds. */
static void an_orphan_that_gets_on_goes_on(void **state)
{
    struct client client;
    uint64_t stalled = wire_counted(COUNTER_ORPHANS_STALLED);
    struct segment segment = {0};
    unsigned rounds = 0;

    (void)state;
    (void)wire_accept(&client, wire_new_port());
    send_with_window(&client, WIRE_ACK, WIRE_MSS);
    wire_application_send_archive(&client, 0, SEND_WINDOW_BYTES);
    wire_application_close(&client, 0, CLOSE_BOTH);
    wire_run();
    while ((segment.flags & WIRE_FIN) == 0) {
        for (unsigned i = 0; i < 40; i++) {
            wire_advance_ns(TICK_NS);
        }
        take_messages();
        while ((segment.flags & WIRE_FIN) == 0 && wire_take(&segment)) {
            client.receive_next = segment.sequence + segment.length;
        }
        send_with_window(&client, WIRE_ACK, WIRE_MSS);
        assert_true(++rounds < 240);
    }
    assert_true(rounds > 170);
    assert_int_equal(wire_counted(COUNTER_ORPHANS_STALLED), stalled);
    client.receive_next++;
    clear_wire();
    wire_send(&client, WIRE_ACK | WIRE_FIN, NULL, 0);
    wire_run();
    assert_int_equal(wire_connection_count(), 0);
    wire_clear();
}

/* lwIP counted the time in FIN_WAIT_2 and LAST_ACK from the last segment before the close. */
static void the_peer_has_time_for_its_fin_however_long_the_response_took(void **state)
{
    struct client client;

    (void)state;
    (void)wire_accept(&client, wire_new_port());
    wire_application_send(&client, "slow", 4);
    wire_application_close(&client, 0, CLOSE_BOTH);
    wire_run();
    for (unsigned i = 0; i < 500; i++) {
        wire_advance_ns(TICK_NS);
        take_messages();
    }
    clear_wire();
    client.receive_next += 5;
    wire_send(&client, WIRE_ACK, NULL, 0);
    for (unsigned i = 0; i < 500; i++) {
        wire_advance_ns(TICK_NS);
        take_messages();
    }
    assert_int_equal(wire_connection_count(), 0);
    assert_int_equal(timewait_fin_wait_count(), 1);
    wire_expect_silence();
    wire_send(&client, WIRE_ACK | WIRE_FIN, NULL, 0);
    client.send_next++;
    wire_run();
    assert_int_equal(wire_expect(&client).acknowledgement, client.send_next);
    assert_int_equal(timewait_fin_wait_count(), 0);
    assert_int_equal(timewait_count(), 1);
}

/* What is over in a moment costs no look. */
static void an_orphan_that_has_just_begun_is_watched_when_it_stays(void **state)
{
    struct client client;
    const struct connection *connection;

    (void)state;
    (void)wire_accept(&client, wire_new_port());
    wire_tcb_of(&client)->soon &= SOON_LISTED;
    wire_application_send(&client, "data", 4);
    wire_run();
    wire_application_close(&client, UINT32_MAX, CLOSE_BOTH);
    wire_run();
    connection = connection_of(&client);
    for (unsigned i = 0; i < 2; i++) {
        assert_false(connection_link_is_queued(&connection->orphan_link));
        assert_false(wheel_is_set(&connection->tcb.timer));
        wire_advance_ns(RECEIVER_ACK_DELAY_US * NS_PER_US);
    }
    assert_true(connection_link_is_queued(&connection->orphan_link));
    assert_true(wheel_is_set(&connection->tcb.timer));
    wire_send(&client, WIRE_RST, NULL, 0);
    wire_run();
    wire_clear();
    assert_int_equal(wire_connection_count(), 0);
}

static void a_stalled_orphan_is_reset_and_counted(void **state)
{
    struct client client;
    uint64_t stalled = wire_counted(COUNTER_ORPHANS_STALLED);
    struct segment last = {0};

    (void)state;
    enter_orphan_behind_a_closed_window(&client);
    while (wire_connection_count() != 0) {
        wire_advance_ns(TICK_NS);
        take_messages();
        while (wire_take(&last)) {
        }
        send_with_window(&client, WIRE_ACK, 0);
    }
    assert_true((last.flags & WIRE_RST) != 0);
    assert_int_equal(wire_counted(COUNTER_ORPHANS_STALLED) - stalled, 1);
    wire_clear();
}

static void of_too_many_orphans_the_oldest_go(void **state)
{
    static struct client clients[ORPHAN_LEAST_COUNT + 2];
    uint64_t too_many = wire_counted(COUNTER_ORPHANS_TOO_MANY);
    struct segment segment;

    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(clients); i++) {
        enter_orphan_fin_wait_1(&clients[i]);
        take_messages();
        if (i < 3) {
            wire_advance_ns(TICK_NS); /* which of them is older is certain */
        }
        clear_wire();
    }
    wire_advance_ns(TICK_NS);
    assert_int_equal(wire_counted(COUNTER_ORPHANS_TOO_MANY) - too_many, 2);
    for (unsigned i = 0; i < 2; i++) {
        do {
            assert_true(wire_take(&segment)); /* a FIN again, perhaps */
        } while ((segment.flags & WIRE_RST) == 0);
        assert_int_equal(segment.client_port, clients[i].port);
    }
    assert_int_equal(wire_connection_count(), ORPHAN_LEAST_COUNT);
    wire_clear();
}

static void orphans_go_when_memory_is_scarce(void **state)
{
    struct client client;
    uint64_t scarce = wire_counted(COUNTER_ORPHANS_MEMORY);

    (void)state;
    enter_orphan_fin_wait_2(&client);
    fake_status_page(0)->memory_bytes = 16 * MIB;
    fake_set_free_memory_bytes(MIB);
    wire_advance_ns(TICK_NS);
    assert_int_equal(wire_connection_count(), 1);
    fake_set_free_memory_bytes(MIB - 1);
    wire_advance_ns(TICK_NS);
    assert_int_equal(wire_connection_count(), 0);
    assert_int_equal(wire_counted(COUNTER_ORPHANS_MEMORY) - scarce, 1);

    /* Of many, too. */
    clear_wire();
    fake_set_free_memory_bytes(UINT64_MAX);
    for (unsigned i = 0; i < 100; i++) {
        enter_orphan_fin_wait_2(&client);
        clear_wire();
        take_messages();
    }
    fake_set_free_memory_bytes(MIB - 1);
    wire_advance_ns(TICK_NS);
    assert_int_equal(wire_connection_count(), 0);
    fake_set_free_memory_bytes(UINT64_MAX);
    wire_clear();
}

/* Which has the least number of orphans. */
static int set_up(void **state)
{
    wire_memory_bytes = ORPHAN_LEAST_COUNT * ORPHAN_SHARE_BYTES;
    return wire_set_up(state);
}

#define TEST(name) cmocka_unit_test_teardown(name, wire_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_state_of_a_connection_has_an_end),
        TEST(a_window_that_closes_over_data_in_flight_loses_nothing),
        TEST(an_orphan_that_gets_on_goes_on),
        TEST(the_peer_has_time_for_its_fin_however_long_the_response_took),
        TEST(an_orphan_that_has_just_begun_is_watched_when_it_stays),
        TEST(a_stalled_orphan_is_reset_and_counted),
        TEST(of_too_many_orphans_the_oldest_go),
        TEST(orphans_go_when_memory_is_scarce),
    };

    return cmocka_run_group_tests(tests, set_up, NULL);
}
