/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/fake_client.c */
/* library: lwip */
/*
 * Tests the transport server with TCP clients on one side and an application and a CM on the
 * other: how connections come to an application, and what becomes of them
 * when others die.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/message/dispatch.h"
#include "kernel/platform.h"
#include "net/configuration.h"
#include "net/counters.h"
#include "net/transport/availability.h"
#include "net/transport/claim_option.h"
#include "net/transport/counters.h"
#include "net/transport/stream.h"
#include "net/transport/tcp/half_open.h"
#include "tests/unit/world/fake_client.h"
#include "tests/unit/world/fake_platform.h"
#include "tests/unit/world/send_copy.h"

/* --- Availability and claim --- */

static void a_connection_becomes_available_with_the_data_that_came_with_it(void **state)
{
    struct client client;
    const struct connection_available *available;

    (void)state;
    wire_open(&client, wire_new_port(), "GET /");
    available = fake_expect_message(NODE_APPLICATION, CONNECTION_AVAILABLE);
    assert_int_equal(available->header.length_bytes, sizeof(*available) + 5);
    assert_memory_equal(available + 1, "GET /", 5);
    assert_int_equal(available->listener_index, 3);
    assert_int_equal(available->flow.remote_address, WIRE_CLIENT_ADDRESS);
    wire_expect_silence(); /* the acknowledgement waits for an answer to ride on */
    wire_send(&client, WIRE_RST, NULL, 0);
    wire_run();
    assert_int_equal(
        ((const struct connection_closed *)fake_expect_message(NODE_CM, CONNECTION_CLOSED))
            ->closed[0]
            .node,
        NODE_APPLICATION);
}

/* Of one address: what it has no entries for gets SYN cookies, and keeps nothing. */
static void a_flood_of_syns_never_reaches_the_application(void **state)
{
    struct client client = {.send_next = 77};
    uint64_t cookies = wire_counted(COUNTER_COOKIES_SENT);

    (void)state;
    for (unsigned i = 0; i < HALF_OPEN_MAX_PER_PEER + 1000; i++) {
        client.port = (uint16_t)(1024 + i);
        wire_assign(&client, NODE_APPLICATION, false);
        assert_int_equal(wire_expect(&client).flags, WIRE_SYN | WIRE_ACK);
        while (fake_take_message(NODE_CM) != NULL) {
        }
    }
    fake_expect_no_message(NODE_APPLICATION);
    assert_int_equal(wire_counted(COUNTER_COOKIES_SENT) - cookies, 1000);
    assert_int_equal(wire_connection_count(), HALF_OPEN_MAX_PER_PEER);
}

/* Of a cookie it is not known who shall have the connection: a CM is asked when it has come back.
 */
static void a_syn_cookie_that_comes_back_is_a_connection(void **state)
{
    struct client client = {.send_next = 77};
    const struct accept_timeout *timeout;

    (void)state;
    for (unsigned i = 0; i <= HALF_OPEN_MAX_PER_PEER; i++) {
        client.port = (uint16_t)(1024 + i);
        client.send_next = 77;
        wire_assign(&client, NODE_APPLICATION, false);
        client.receive_next = wire_expect(&client).sequence + 1;
    }
    wire_clear();
    wire_send(&client, WIRE_ACK, "GET /", 5);
    client.send_next += 5;
    wire_run();
    timeout = fake_expect_message(NODE_CM, ACCEPT_TIMEOUT);
    assert_int_equal(timeout->acceptor.node, NODE_NONE);
    assert_int_equal(timeout->port, WIRE_SERVER_PORT);
    wire_clear();
    wire_send(&client, WIRE_RST, NULL, 0);
    wire_run();
    assert_int_equal(wire_connection_count(), HALF_OPEN_MAX_PER_PEER);
}

static void a_confirmed_claim_brings_what_came_meanwhile_and_then_data_follows(void **state)
{
    struct client client;
    const struct connection_available *available;
    const struct claim_confirmed *confirmed;
    const struct data *data;

    (void)state;
    wire_open(&client, wire_new_port(), "one");
    available = fake_expect_message(NODE_APPLICATION, CONNECTION_AVAILABLE);
    client.connection_index = available->connection_index;
    client.generation = available->generation;
    client.availability_number = available->availability_number;
    wire_send(&client, WIRE_ACK, "two", 3);
    client.send_next += 3;
    wire_send(&client, WIRE_ACK, "three", 5);
    client.send_next += 5;
    wire_claim(&client);
    confirmed = fake_expect_message(NODE_APPLICATION, CLAIM_CONFIRMED);
    assert_int_equal(confirmed->send_window_bytes, SEND_WINDOW_BYTES);
    assert_int_equal(confirmed->header.length_bytes, sizeof(*confirmed) + 3);
    assert_memory_equal(confirmed + 1, "two", 3);
    data = fake_expect_message(NODE_APPLICATION, DATA);
    assert_memory_equal(data + 1, "three", 5);
    assert_int_equal(data->stream_index, client.port);
    wire_finish(&client);
}

/* As that of a node which stands still, or which has not made it yet: it is never told. */
static void an_acceptor_without_room_in_its_channel_loses_the_connection(void **state)
{
    struct message_header filler = {.type = MESSAGE_TYPE_MAX - 1, .length_bytes = sizeof(filler)};
    struct client client;
    const struct connection_available *available;
    struct reassign_connection again = {
        .header = {.type = REASSIGN_CONNECTION, .length_bytes = sizeof(again)},
        .acceptor = {.node = NODE_APPLICATION,
                     .listener_index = 9,
                     .cm = NODE_CM,
                     .assigned_by = NODE_CM},
        .port = WIRE_SERVER_PORT,
    };

    (void)state;
    while (send_copy(NODE_APPLICATION, &filler) == 0) {
    }
    wire_open(&client, wire_new_port(), "hello");
    wire_advance_ns(CLAIM_TIMEOUT_DEFAULT_NS - 1);
    fake_expect_no_message(NODE_CM);
    wire_advance_ns(1);
    const struct accept_timeout *timeout = fake_expect_message(NODE_CM, ACCEPT_TIMEOUT);
    assert_int_equal(timeout->acceptor.node, NODE_APPLICATION);
    again.connection_index = timeout->connection_index;
    again.generation = timeout->generation;
    const struct message *message;
    do {
        message = fake_take_message(NODE_APPLICATION);
        assert_non_null(message);
        wire_run();
    } while (message->header.type == filler.type);
    /* It is told after all, so that it claims in vain and asks for its place again. */
    assert_int_equal(message->header.type, CONNECTION_AVAILABLE);
    available = (const struct connection_available *)message;
    client.connection_index = available->connection_index;
    client.generation = available->generation;
    client.availability_number = available->availability_number;
    wire_claim(&client);
    (void)fake_expect_message(NODE_APPLICATION, CLAIM_REJECTED);
    fake_deliver(NODE_CM, &again.header);
    wire_run();
    available = fake_expect_message(NODE_APPLICATION, CONNECTION_AVAILABLE);
    assert_int_equal(available->listener_index, 9);
    client.connection_index = available->connection_index;
    client.generation = available->generation;
    client.availability_number = available->availability_number;
    wire_claim(&client);
    (void)fake_expect_message(NODE_APPLICATION, CLAIM_CONFIRMED);
    wire_finish(&client);
}

static void an_unclaimed_connection_goes_to_another_and_the_late_claim_is_rejected(void **state)
{
    struct client client;
    const struct connection_available *available;
    const struct accept_timeout *timeout;
    struct reassign_connection again = {
        .header = {.type = REASSIGN_CONNECTION, .length_bytes = sizeof(again)},
        .acceptor = {.node = NODE_APPLICATION,
                     .listener_index = 9,
                     .cm = NODE_CM,
                     .assigned_by = NODE_CM},
        .port = WIRE_SERVER_PORT,
    };

    (void)state;
    wire_open(&client, wire_new_port(), "hello");
    available = fake_expect_message(NODE_APPLICATION, CONNECTION_AVAILABLE);
    client.connection_index = again.connection_index = available->connection_index;
    client.generation = again.generation = available->generation;
    client.availability_number = available->availability_number;
    wire_advance_ns(CLAIM_TIMEOUT_DEFAULT_NS - 1);
    fake_expect_no_message(NODE_CM);
    wire_advance_ns(1);
    timeout = fake_expect_message(NODE_CM, ACCEPT_TIMEOUT);
    assert_int_equal(timeout->acceptor.node, NODE_APPLICATION);
    assert_int_equal(timeout->port, WIRE_SERVER_PORT);

    wire_claim(&client);
    (void)fake_expect_message(NODE_APPLICATION, CLAIM_REJECTED);
    fake_deliver(NODE_CM, &again.header);
    wire_run();
    available = fake_expect_message(NODE_APPLICATION, CONNECTION_AVAILABLE);
    assert_int_equal(available->listener_index, 9);
    assert_memory_equal(available + 1, "hello", 5);
    wire_claim(&client); /* with the number of the first message */
    (void)fake_expect_message(NODE_APPLICATION, CLAIM_REJECTED);
    client.availability_number++;
    wire_claim(&client);
    (void)fake_expect_message(NODE_APPLICATION, CLAIM_CONFIRMED);
    wire_finish(&client);
}

/* Its CM counts it as open at the last acceptor, and did so for ever. */
static void one_that_no_acceptor_has_taken_in_time_is_given_back_when_it_is_reset(void **state)
{
    struct client client;
    const struct accept_timeout *timeout;
    const struct connection_closed *closed;
    struct segment segment;
    struct reassign_connection again = {
        .header = {.type = REASSIGN_CONNECTION, .length_bytes = sizeof(again)},
        .acceptor = {.node = NODE_APPLICATION,
                     .listener_index = 9,
                     .cm = NODE_CM,
                     .assigned_by = NODE_CM},
        .port = WIRE_SERVER_PORT,
    };

    (void)state;
    wire_open(&client, wire_new_port(), NULL);
    (void)fake_expect_message(NODE_APPLICATION, CONNECTION_AVAILABLE);
    wire_advance_ns(CLAIM_TIMEOUT_DEFAULT_NS);
    timeout = fake_expect_message(NODE_CM, ACCEPT_TIMEOUT);
    again.connection_index = timeout->connection_index;
    again.generation = timeout->generation;
    wire_advance_ns(UNACCEPTED_MAX_NS - CLAIM_TIMEOUT_DEFAULT_NS);
    fake_deliver(NODE_CM, &again.header);
    wire_run();
    (void)fake_expect_message(NODE_APPLICATION, CONNECTION_AVAILABLE);
    wire_advance_ns(CLAIM_TIMEOUT_DEFAULT_NS);
    closed = fake_expect_message(NODE_CM, CONNECTION_CLOSED);
    assert_int_equal(closed->closed[0].node, again.acceptor.node);
    assert_int_equal(closed->closed[0].listener_index, again.acceptor.listener_index);
    assert_int_equal(closed->closed[0].port, WIRE_SERVER_PORT);
    assert_int_equal(closed->closed[1].port, 0); /* once */
    assert_true(wire_take(&segment));
    assert_int_equal(segment.flags & WIRE_RST, WIRE_RST);
    assert_int_equal(wire_connection_count(), 0);
    fake_expect_no_message(NODE_CM);
}

static void claim_at_once(node_id_t from, const struct message *message,
                          struct message_payload data)
{
    const struct connection_available *available = (const struct connection_available *)message;
    struct claim_connection claim = {
        .header = {.type = CLAIM_CONNECTION, .length_bytes = sizeof(claim)},
        .connection_index = available->connection_index,
        .generation = available->generation,
        .availability_number = available->availability_number,
    };

    (void)data;
    assert_int_equal(send_copy(from, &claim.header), 0);
}

static void ignore(node_id_t from, const struct message *message)
{
    (void)from;
    (void)message;
}

static void ignore_with_payload(node_id_t from, const struct message *message,
                                struct message_payload data)
{
    (void)data;
    ignore(from, message);
}

static void decline(const struct client *client, uint16_t availability_number)
{
    struct decline_connection message = {
        .header = {.type = DECLINE_CONNECTION, .length_bytes = sizeof(message)},
        .connection_index = client->connection_index,
        .generation = client->generation,
        .availability_number = availability_number,
    };

    fake_deliver(NODE_APPLICATION, &message.header);
    wire_run();
}

static void a_declined_connection_is_given_to_another_at_once(void **state)
{
    struct client client;
    const struct connection_available *available;
    const struct accept_timeout *timeout;
    uint64_t declined = wire_counted(COUNTER_ACCEPTS_DECLINED);
    uint64_t bad = wire_counted(COUNTER_DROP_BAD_MESSAGE);

    (void)state;
    wire_open(&client, wire_new_port(), NULL);
    available = fake_expect_message(NODE_APPLICATION, CONNECTION_AVAILABLE);
    client.connection_index = available->connection_index;
    client.generation = available->generation;
    client.availability_number = available->availability_number;

    decline(&client, (uint16_t)(client.availability_number - 1)); /* an answer to an earlier one */
    fake_expect_no_message(NODE_CM);
    decline(&client, client.availability_number);
    timeout = fake_expect_message(NODE_CM, ACCEPT_TIMEOUT);
    assert_int_equal(timeout->acceptor.node, NODE_APPLICATION);
    assert_int_equal(timeout->connection_index, client.connection_index);
    decline(&client, client.availability_number); /* it is nobody's now */
    fake_expect_no_message(NODE_CM);
    assert_int_equal(wire_counted(COUNTER_ACCEPTS_DECLINED), declined + 1);
    assert_int_equal(wire_counted(COUNTER_DROP_BAD_MESSAGE), bad);
    client.generation++;
    decline(&client, client.availability_number); /* there never was one */
    assert_int_equal(wire_counted(COUNTER_DROP_BAD_MESSAGE), bad + 1);
    wire_send(&client, WIRE_RST, NULL, 0);
    wire_run();
}

/* The timer was started all the same, for what lay in memory before the empty queue: the next one
 * that nobody claimed had no time-out. */
static void
one_that_is_claimed_within_the_send_needs_no_timer_and_the_next_has_its_own(void **state)
{
    struct configuration *configuration = (struct configuration *)configuration_current();
    const struct configuration before = *configuration;
    struct client own = {.port = wire_new_port(), .send_next = 500};
    struct client next;

    (void)state;
    configuration->roles[0] |= ROLE_APPLICATION;
    dispatch_register_payload_message(CONNECTION_AVAILABLE, sizeof(struct connection_available),
                                      claim_at_once);
    dispatch_register_payload_message(CLAIM_CONFIRMED, sizeof(struct claim_confirmed),
                                      ignore_with_payload);
    dispatch_register_message(CONNECTION_FAILED, sizeof(struct connection_failed), ignore);
    wire_assign(&own, 0, false);
    own.receive_next = wire_expect(&own).sequence + 1;
    wire_send(&own, WIRE_ACK, NULL, 0);
    wire_run();
    wire_open(&next, wire_new_port(), NULL);
    wire_advance_ns(CLAIM_TIMEOUT_DEFAULT_NS);
    (void)fake_expect_message(NODE_CM, ACCEPT_TIMEOUT);

    wire_send(&next, WIRE_RST, NULL, 0);
    wire_send(&own, WIRE_RST, NULL, 0);
    wire_run();
    *configuration = before;
}

static void without_an_acceptor_the_cm_is_asked_and_may_refuse(void **state)
{
    struct client client = {.port = wire_new_port(), .send_next = 500};
    const struct accept_timeout *timeout;
    struct reassign_connection refusal = {
        .header = {.type = REASSIGN_CONNECTION, .length_bytes = sizeof(refusal)},
        .acceptor.node = NODE_NONE,
        .is_refused = 1,
    };

    (void)state;
    wire_assign(&client, NODE_NONE, false);
    client.receive_next = wire_expect(&client).sequence + 1;
    wire_send(&client, WIRE_ACK, NULL, 0);
    wire_run();
    timeout = fake_expect_message(NODE_CM, ACCEPT_TIMEOUT);
    assert_int_equal(timeout->acceptor.node, NODE_NONE);
    refusal.connection_index = timeout->connection_index;
    refusal.generation = timeout->generation;
    fake_deliver(NODE_CM, &refusal.header);
    wire_run();
    assert_true((wire_expect(&client).flags & WIRE_RST) != 0);
    fake_expect_no_message(NODE_CM);
    assert_int_equal(wire_connection_count(), 0);
}

/* The node numbers in a message from another node are as good as that node. */
static void acceptors_that_cannot_be_are_refused(void **state)
{
    struct client client = {.port = wire_new_port(), .send_next = 500};
    struct client other = {.port = wire_new_port(), .send_next = 500};
    uint64_t bad_messages = wire_counted(COUNTER_DROP_BAD_MESSAGE);
    const struct accept_timeout *timeout;
    struct reassign_connection again = {
        .header = {.type = REASSIGN_CONNECTION, .length_bytes = sizeof(again)},
        .acceptor = {.node = NODE_APPLICATION, .cm = 60000, .assigned_by = NODE_CM},
        .port = WIRE_SERVER_PORT,
    };

    (void)state;
    wire_assign(&client, NODE_NONE, false);
    client.receive_next = wire_expect(&client).sequence + 1;
    wire_send(&client, WIRE_ACK, NULL, 0);
    wire_run();
    timeout = fake_expect_message(NODE_CM, ACCEPT_TIMEOUT);
    again.connection_index = timeout->connection_index;
    again.generation = timeout->generation;
    fake_deliver(NODE_CM, &again.header);
    again.acceptor.cm = NODE_CM;
    fake_deliver(NODE_APPLICATION, &again.header); /* which is no manager */
    again.acceptor.node = NODE_OTHER_CM;           /* which is no application */
    fake_deliver(NODE_CM, &again.header);
    wire_run();
    assert_int_equal(wire_counted(COUNTER_DROP_BAD_MESSAGE) - bad_messages, 3);
    fake_expect_no_message(NODE_APPLICATION);

    wire_send_syn(&other);
    (void)wire_expect(&other);
    assert_true(wire_answer_syn(60000, false));
    assert_int_equal(wire_counted(COUNTER_DROP_BAD_MESSAGE) - bad_messages, 4);

    again.acceptor.node = NODE_APPLICATION;
    fake_deliver(NODE_CM, &again.header);
    wire_run();
    (void)fake_expect_message(NODE_APPLICATION, CONNECTION_AVAILABLE);
    wire_send(&client, WIRE_RST, NULL, 0);
    wire_run();
}

static void a_reassignment_that_comes_too_late_is_answered(void **state)
{
    struct reassign_connection late = {
        .header = {.type = REASSIGN_CONNECTION, .length_bytes = sizeof(late)},
        .connection_index = 5,
        .generation = 12345,
        .acceptor = {.node = NODE_APPLICATION, .cm = NODE_CM},
    };

    (void)state;
    fake_deliver(NODE_CM, &late.header);
    wire_run();
    (void)fake_expect_message(NODE_CM, CONNECTION_CLOSED);
}

static void a_repeated_syn_is_answered_and_asks_for_no_second_acceptor(void **state)
{
    struct client client = {.port = wire_new_port(), .send_next = 500};
    struct segment first, second;

    (void)state;
    wire_assign(&client, NODE_APPLICATION, false);
    first = wire_expect(&client);
    wire_advance_ns(200 * NS_PER_MS);
    wire_send_syn(&client);
    second = wire_expect(&client);
    assert_int_equal(second.sequence, first.sequence);
    fake_expect_no_message(NODE_CM);
    assert_int_equal(wire_connection_count(), 1);
}

static void a_half_open_connection_that_dies_is_given_back(void **state)
{
    struct client client = {.port = wire_new_port(), .send_next = 500};
    const struct connection_closed *closed;

    (void)state;
    wire_assign(&client, NODE_APPLICATION, false);
    for (unsigned i = 0; i < 100; i++) {
        wire_advance_ns(100 * NS_PER_MS);
    }
    closed = fake_expect_message(NODE_CM, CONNECTION_CLOSED);
    assert_int_equal(closed->closed[0].service, 0);
    assert_int_equal(wire_connection_count(), 0);
    wire_clear();
}

static void a_syn_for_a_port_that_nobody_serves_is_reset(void **state)
{
    struct client client = {.port = wire_new_port(), .send_next = 500};

    (void)state;
    wire_assign(&client, NODE_NONE, true);
    assert_int_equal(wire_expect(&client).flags, WIRE_RST | WIRE_ACK);
    assert_int_equal(wire_connection_count(), 0);
}

/* --- Failures --- */

/* Last: the application does not come back. */
static void
a_dead_applications_connections_are_reset_and_unclaimed_ones_given_to_others(void **state)
{
    struct client claimed, unclaimed;

    (void)state;
    (void)wire_accept(&claimed, wire_new_port());
    wire_open(&unclaimed, wire_new_port(), NULL);
    fake_set_node_state(NODE_APPLICATION, NODE_DEAD);
    dispatch_sleep(); /* where the dispatcher looks for deaths */
    wire_run();
    assert_true((wire_expect(&claimed).flags & WIRE_RST) != 0);
    (void)fake_expect_message(NODE_CM, ACCEPT_TIMEOUT);
    (void)fake_expect_message(NODE_CM, CONNECTION_CLOSED);
    wire_send(&unclaimed, WIRE_RST, NULL, 0);
    wire_run();
}

/* After the last. */
static void what_waits_at_a_dead_connection_manager_is_told_to_another(void **state)
{
    struct client before = {.port = wire_new_port(), .send_next = 500};
    struct client after = {.port = wire_new_port(), .send_next = 500};
    const struct accept_timeout *timeout;

    (void)state;
    wire_assign(&before, NODE_NONE, false);
    before.receive_next = wire_expect(&before).sequence + 1;
    wire_send(&before, WIRE_ACK, NULL, 0);
    wire_assign(&after, NODE_NONE, false);
    after.receive_next = wire_expect(&after).sequence + 1;
    wire_run();
    (void)fake_expect_message(NODE_CM, ACCEPT_TIMEOUT);

    fake_set_node_state(NODE_CM, NODE_DEAD);
    dispatch_sleep();
    wire_run();
    timeout = fake_expect_message(NODE_OTHER_CM, ACCEPT_TIMEOUT);
    assert_int_equal(timeout->acceptor.node, NODE_NONE);
    assert_int_equal(timeout->port, WIRE_SERVER_PORT);
    /* And so is one whose handshake ends only now. */
    wire_send(&after, WIRE_ACK, NULL, 0);
    wire_run();
    (void)fake_expect_message(NODE_OTHER_CM, ACCEPT_TIMEOUT);

    /* With no manager left nobody will ever take them: they are reset. */
    fake_set_node_state(NODE_OTHER_CM, NODE_DEAD);
    dispatch_sleep();
    wire_run();
    assert_int_equal(wire_connection_count(), 0);
    wire_clear();
}

#define TEST(name) cmocka_unit_test_teardown(name, wire_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_connection_becomes_available_with_the_data_that_came_with_it),
        TEST(a_flood_of_syns_never_reaches_the_application),
        TEST(a_syn_cookie_that_comes_back_is_a_connection),
        TEST(a_confirmed_claim_brings_what_came_meanwhile_and_then_data_follows),
        TEST(an_acceptor_without_room_in_its_channel_loses_the_connection),
        TEST(an_unclaimed_connection_goes_to_another_and_the_late_claim_is_rejected),
        TEST(one_that_no_acceptor_has_taken_in_time_is_given_back_when_it_is_reset),
        TEST(a_declined_connection_is_given_to_another_at_once),
        TEST(one_that_is_claimed_within_the_send_needs_no_timer_and_the_next_has_its_own),
        TEST(without_an_acceptor_the_cm_is_asked_and_may_refuse),
        TEST(acceptors_that_cannot_be_are_refused),
        TEST(a_reassignment_that_comes_too_late_is_answered),
        TEST(a_repeated_syn_is_answered_and_asks_for_no_second_acceptor),
        TEST(a_half_open_connection_that_dies_is_given_back),
        TEST(a_syn_for_a_port_that_nobody_serves_is_reset),
        TEST(a_dead_applications_connections_are_reset_and_unclaimed_ones_given_to_others),
        TEST(what_waits_at_a_dead_connection_manager_is_told_to_another),
    };

    return cmocka_run_group_tests(tests, wire_set_up, NULL);
}
