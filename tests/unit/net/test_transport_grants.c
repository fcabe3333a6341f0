/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/fake_client.c */
/* library: lwip */
/*
 * Tests net/transport/availability.c: connections that the acceptor has claimed in advance. The
 * claim time-out is not the default.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/message/dispatch.h"
#include "kernel/message/status.h"
#include "net/counters.h"
#include "net/transport/availability.h"
#include "net/transport/connection.h"
#include "net/transport/stream.h"
#include "tests/unit/world/fake_client.h"
#include "tests/unit/world/fake_platform.h"
#include "tests/unit/world/send_copy.h"

#define TIMEOUT_NS (30 * NS_PER_MS)

static uint64_t granted_before;

/* It is open, and the application was told of it, with `data` if that is not NULL. */
static const struct connection_available *open_granted(struct client *client, const char *data)
{
    const struct connection_available *available;

    wire_grant = GRANT_AT_ONCE;
    wire_open(client, wire_new_port(), data);
    wire_grant = GRANT_NONE;
    available = fake_expect_message(NODE_APPLICATION, CONNECTION_AVAILABLE);
    assert_int_equal(available->send_window_bytes, SEND_WINDOW_BYTES);
    client->connection_index = available->connection_index;
    client->generation = available->generation;
    client->availability_number = available->availability_number;
    return available;
}

static void decline(const struct client *client)
{
    const struct decline_connection message = {
        .header = {.type = DECLINE_CONNECTION, .length_bytes = sizeof(message)},
        .connection_index = client->connection_index,
        .generation = client->generation,
        .availability_number = client->availability_number,
    };

    fake_deliver(NODE_APPLICATION, &message.header);
    wire_run();
}

/* The CM is asked for another acceptor, and has one. */
static void reassign(enum acceptor_grant grant)
{
    const struct accept_timeout *timeout = fake_expect_message(NODE_CM, ACCEPT_TIMEOUT);
    const struct reassign_connection again = {
        .header = {.type = REASSIGN_CONNECTION, .length_bytes = sizeof(again)},
        .connection_index = timeout->connection_index,
        .generation = timeout->generation,
        .acceptor = {.node = NODE_APPLICATION,
                     .listener_index = 4,
                     .grant = (uint8_t)grant,
                     .cm = NODE_CM,
                     .assigned_by = NODE_CM},
        .port = WIRE_SERVER_PORT,
    };

    assert_int_equal(timeout->acceptor.node, NODE_APPLICATION);
    fake_deliver(NODE_CM, &again.header);
    wire_run();
}

static void expect_recall(const struct client *client)
{
    const struct recall_connection *recall =
        fake_expect_message(NODE_APPLICATION, RECALL_CONNECTION);

    assert_int_equal(recall->connection_index, client->connection_index);
    assert_int_equal(recall->generation, client->generation);
    assert_int_equal(recall->availability_number, client->availability_number);
    assert_int_equal(recall->listener_index, 3);
}

static void expect_closed(bool was_told)
{
    const struct connection_closed *closed = fake_expect_message(NODE_CM, CONNECTION_CLOSED);

    assert_int_equal(closed->closed[0].is_granted, 1);
    assert_int_equal(closed->closed[0].service != 0, was_told);
    assert_int_equal(closed->closed[1].port, 0);
}

/* Behind an acknowledgement, perhaps. */
static void expect_reset(const struct client *client)
{
    struct segment segment;

    do {
        segment = wire_expect(client);
    } while (segment.flags == WIRE_ACK);
    assert_int_equal(segment.flags & WIRE_RST, WIRE_RST);
}

/* Through a channel that is full of these. */
static const struct message *take_behind_fillers(void)
{
    const struct message *message;

    do {
        message = fake_take_message(NODE_APPLICATION);
        if (message == NULL) {
            assert_int_not_equal(dispatch_round(), 0);
        }
    } while (message == NULL || message->header.type == NIC_READY);
    return message;
}

static uint64_t count_granted(void)
{
    uint64_t count = wire_counted(COUNTER_CLAIMS_GRANTED) - granted_before;

    granted_before += count;
    return count;
}

/* --- Claims --- */

static void the_first_message_about_it_claims_it(void **state)
{
    struct client client;

    (void)state;
    (void)count_granted();
    (void)open_granted(&client, "GET /");
    wire_application_respond(&client, "answer", 6, 0, 0);
    wire_run();
    assert_int_equal(count_granted(), 1);
    struct segment answer = wire_expect(&client);
    assert_memory_equal(answer.payload, "answer", 6);
    client.receive_next += 6;
    fake_expect_no_message(NODE_APPLICATION); /* no confirmation, and no data for a second time */
    wire_send(&client, WIRE_ACK | WIRE_PSH, "more", 4);
    client.send_next += 4;
    wire_run();
    const struct data *data = fake_expect_message(NODE_APPLICATION, DATA);
    assert_int_equal(data->header.length_bytes, sizeof(*data) + 4);
    assert_int_equal(data->stream_index, client.port); /* as the first message called it */
    wire_finish(&client);

    (void)open_granted(&client, "GET /");
    wire_application_consumed(&client, 5);
    wire_run();
    assert_int_equal(count_granted(), 1);
    wire_finish(&client);

    (void)open_granted(&client, "GET /");
    wire_application_close(&client, 5, CLOSE_ABORT);
    wire_run();
    assert_int_equal(count_granted(), 1);
    expect_reset(&client);
    expect_closed(true);
    wire_clear();
}

static void what_has_come_before_a_silent_claim_is_delivered_then(void **state)
{
    struct client client;

    (void)state;
    (void)open_granted(&client, "GET /");
    wire_send(&client, WIRE_ACK | WIRE_PSH, "1", 1);
    client.send_next += 1;
    wire_send(&client, WIRE_ACK | WIRE_PSH | WIRE_FIN, "2", 1);
    client.send_next += 2;
    wire_run();
    fake_expect_no_message(NODE_APPLICATION);
    wire_claim(&client);
    size_t bytes = 0;
    const struct message *message;
    while ((message = fake_take_message(NODE_APPLICATION)) != NULL &&
           message->header.type == DATA) {
        bytes += message->header.length_bytes - sizeof(struct data);
    }
    assert_int_equal(bytes, 2);
    assert_non_null(message);
    assert_int_equal(message->header.type, PEER_CLOSED);
    wire_application_close(&client, 7, CLOSE_ABORT);
    wire_run();
    wire_clear();
}

static void nobody_else_can_claim_it_by_a_message(void **state)
{
    struct client client;
    struct consumed message = {.header = {.type = CONSUMED, .length_bytes = sizeof(message)}};
    uint64_t refused = wire_counted(COUNTER_DROP_BAD_MESSAGE);

    (void)state;
    (void)count_granted();
    (void)open_granted(&client, "GET /");
    message.connection_index = client.connection_index;
    message.generation = client.generation + 1;
    fake_deliver(NODE_APPLICATION, &message.header); /* no such connection */
    wire_run();
    assert_int_equal(wire_counted(COUNTER_DROP_BAD_MESSAGE) - refused, 1);
    assert_int_equal(count_granted(), 0);
    wire_application_close(&client, 0, CLOSE_ABORT);
    wire_run();
    wire_clear();

    /* One that was not granted, by nobody. */
    wire_open(&client, wire_new_port(), "GET /");
    const struct connection_available *available =
        fake_expect_message(NODE_APPLICATION, CONNECTION_AVAILABLE);
    assert_int_equal(available->send_window_bytes, 0);
    message.connection_index = available->connection_index;
    message.generation = available->generation;
    fake_deliver(NODE_APPLICATION, &message.header);
    wire_run();
    assert_int_equal(wire_counted(COUNTER_DROP_BAD_MESSAGE) - refused, 2);
    fake_expect_no_message(NODE_APPLICATION);
    wire_send(&client, WIRE_RST, NULL, 0);
    wire_run();
    wire_clear();
}

/* --- Time-outs --- */

/* It may have been taken: it is nobody else's before the acceptor has declined. */
static void at_the_time_out_it_is_asked_for_and_goes_to_another_when_declined(void **state)
{
    struct client client;

    (void)state;
    (void)open_granted(&client, "GET /");
    wire_advance_ns(TIMEOUT_NS - 1);
    fake_expect_no_message(NODE_APPLICATION);
    wire_advance_ns(1);
    expect_recall(&client);
    wire_advance_ns(10 * NS_PER_S);
    fake_expect_no_message(NODE_APPLICATION); /* once is enough: no message is lost */
    fake_expect_no_message(NODE_CM);
    decline(&client);
    reassign(GRANT_AT_ONCE);
    const struct connection_available *available =
        fake_expect_message(NODE_APPLICATION, CONNECTION_AVAILABLE);
    assert_int_equal(available->listener_index, 4);
    assert_int_equal(available->send_window_bytes, SEND_WINDOW_BYTES);
    assert_memory_equal(available + 1, "GET /", 5); /* all of it once more */
    decline(&client);                               /* an answer to the first */
    fake_expect_no_message(NODE_CM);
    wire_application_close(&client, 5, CLOSE_ABORT);
    wire_run();
    wire_clear();
}

static void what_one_was_told_of_the_next_one_was_not(void **state)
{
    struct client client;

    (void)state;
    (void)open_granted(&client, NULL);
    wire_advance_ns(TIMEOUT_NS);
    expect_recall(&client);
    decline(&client);
    reassign(GRANT_WITH_DATA);
    fake_expect_no_message(NODE_APPLICATION);
    wire_send(&client, WIRE_RST, NULL, 0);
    wire_run();
    expect_closed(false); /* so its grant is good for another, and no service time is learned */
}

static void who_declines_one_that_is_given_up_gets_no_grant_back(void **state)
{
    struct client client;

    (void)state;
    (void)open_granted(&client, "GET /");
    wire_advance_ns(UNACCEPTED_MAX_NS);
    expect_recall(&client);
    decline(&client);
    const struct connection_closed *closed = fake_expect_message(NODE_CM, CONNECTION_CLOSED);
    assert_int_equal(closed->closed[0].node, NODE_APPLICATION);
    assert_int_equal(closed->closed[0].is_granted, 0);
    assert_int_equal(closed->closed[0].service, 0);
    expect_reset(&client);
}

static void a_claim_that_crosses_the_recall_is_good(void **state)
{
    struct client client;

    (void)state;
    (void)open_granted(&client, "GET /");
    wire_advance_ns(TIMEOUT_NS);
    expect_recall(&client);
    wire_claim(&client);
    fake_expect_no_message(NODE_APPLICATION);
    wire_clear(); /* the request was acknowledged meanwhile */
    wire_application_send(&client, "x", 1);
    wire_run();
    assert_int_equal(wire_expect(&client).length, 1);
    wire_application_close(&client, 5, CLOSE_ABORT);
    wire_run();
    wire_clear();
}

/* Full: it could not be told of it, and loses it as one without grants does. */
static void one_that_cannot_be_told_has_not_taken_it(void **state)
{
    struct message_header filler = {.type = NIC_READY, .length_bytes = sizeof(filler)};
    struct client client;
    const struct message *message;

    (void)state;
    while (send_copy(NODE_APPLICATION, &filler) == 0) {
    }
    wire_grant = GRANT_AT_ONCE;
    wire_open(&client, wire_new_port(), "GET /");
    wire_grant = GRANT_NONE;
    wire_advance_ns(TIMEOUT_NS);
    (void)fake_expect_message(NODE_CM, ACCEPT_TIMEOUT);
    message = take_behind_fillers();
    /* It shall claim in vain. */
    assert_int_equal(message->header.type, CONNECTION_AVAILABLE);
    assert_int_equal(((const struct connection_available *)message)->send_window_bytes, 0);
    wire_send(&client, WIRE_RST, NULL, 0);
    wire_run();
    wire_clear();
}

/* The recall waits for room, and is not lost. */
static void a_recall_finds_its_way_through_a_full_channel(void **state)
{
    struct message_header filler = {.type = NIC_READY, .length_bytes = sizeof(filler)};
    struct client client;

    (void)state;
    (void)open_granted(&client, "GET /");
    while (send_copy(NODE_APPLICATION, &filler) == 0) {
    }
    wire_advance_ns(TIMEOUT_NS);
    assert_int_equal(take_behind_fillers()->header.type, RECALL_CONNECTION);
    wire_application_close(&client, 5, CLOSE_ABORT);
    wire_run();
    wire_clear();
}

/* --- The end of TCP --- */

/* It may have been taken, and would be waited on for ever. */
static void one_that_tcp_has_lost_is_kept_until_the_application_can_be_told(void **state)
{
    struct client client;
    unsigned before = wire_connection_count();

    (void)state;
    (void)open_granted(&client, "GET /");
    wire_send(&client, WIRE_RST, NULL, 0);
    wire_run();
    fake_expect_no_message(NODE_CM);
    fake_expect_no_message(NODE_APPLICATION);
    assert_int_equal(wire_connection_count(), before + 1);
    wire_application_send(&client, "x", 1);
    wire_run();
    const struct connection_failed *failed =
        fake_expect_message(NODE_APPLICATION, CONNECTION_FAILED);
    assert_int_equal(failed->error_number, ECONNRESET);
    assert_int_equal(failed->stream_index, client.port);
    expect_closed(true);
    assert_int_equal(wire_connection_count(), before);

    /* By a close: nothing is left to be told. */
    (void)open_granted(&client, "GET /");
    wire_send(&client, WIRE_RST, NULL, 0);
    wire_run();
    wire_application_close(&client, 5, CLOSE_BOTH);
    wire_run();
    fake_expect_no_message(NODE_APPLICATION);
    expect_closed(true);
    assert_int_equal(wire_connection_count(), before);

    /* By the answer to the recall. */
    (void)open_granted(&client, "GET /");
    wire_send(&client, WIRE_RST, NULL, 0);
    wire_run();
    wire_advance_ns(TIMEOUT_NS);
    expect_recall(&client);
    decline(&client);
    (void)fake_expect_message(NODE_CM, ACCEPT_TIMEOUT);
    assert_int_equal(wire_connection_count(), before);
    wire_clear();
}

/* --- Data first --- */

static void begin_with_data(struct client *client)
{
    wire_grant = GRANT_WITH_DATA;
    wire_open(client, wire_new_port(), NULL);
    wire_grant = GRANT_NONE;
    fake_expect_no_message(NODE_APPLICATION);
}

static const struct connection_available *expect_available(const char *data)
{
    const struct connection_available *available =
        fake_expect_message(NODE_APPLICATION, CONNECTION_AVAILABLE);

    assert_int_equal(available->header.length_bytes, sizeof(*available) + strlen(data));
    assert_memory_equal(available + 1, data, strlen(data));
    assert_int_equal(available->send_window_bytes, SEND_WINDOW_BYTES);
    fake_expect_no_message(NODE_APPLICATION);
    return available;
}

static void reset_by_client(struct client *client)
{
    wire_send(client, WIRE_RST, NULL, 0);
    wire_run();
    wire_application_close(client, 0, CLOSE_BOTH);
    wire_run();
    wire_clear();
}

static void one_that_is_wanted_with_data_is_told_of_with_it(void **state)
{
    struct client client;

    (void)state;
    begin_with_data(&client);
    wire_advance_ns(DATA_WAIT_NS - 1);
    fake_expect_no_message(NODE_APPLICATION);
    wire_send(&client, WIRE_ACK | WIRE_PSH, "GET /", 5);
    client.send_next += 5;
    wire_run();
    const struct connection_available *available = expect_available("GET /");
    client.connection_index = available->connection_index;
    client.generation = available->generation;
    client.availability_number = available->availability_number;
    /* The claim's time begins only now. */
    wire_advance_ns(TIMEOUT_NS - 1);
    fake_expect_no_message(NODE_APPLICATION);
    wire_advance_ns(1);
    expect_recall(&client);
    reset_by_client(&client);
}

static void one_without_data_is_told_of_after_a_while_and_at_its_end(void **state)
{
    struct client clients[3];

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        begin_with_data(&clients[i]);
        wire_advance_ns(NS_PER_MS);
    }
    wire_send(&clients[1], WIRE_ACK | WIRE_FIN, NULL, 0);
    clients[1].send_next++;
    wire_run();
    const struct connection_available *available = expect_available("");
    clients[1].connection_index = available->connection_index;
    clients[1].generation = available->generation;
    wire_advance_ns(DATA_WAIT_NS - 3 * NS_PER_MS);
    available = NULL;
    const struct message *message;
    while ((message = fake_take_message(NODE_APPLICATION))->header.type == RECALL_CONNECTION) {
    }
    available = (const void *)message;
    assert_int_equal(available->header.type, CONNECTION_AVAILABLE); /* the first */
    clients[0].connection_index = available->connection_index;
    clients[0].generation = available->generation;
    fake_expect_no_message(NODE_APPLICATION);
    /* One that ends before gives its grant back. */
    wire_send(&clients[2], WIRE_RST, NULL, 0);
    wire_run();
    expect_closed(false);
    wire_advance_ns(DATA_WAIT_NS);
    reset_by_client(&clients[0]);
    reset_by_client(&clients[1]);
}

/* A grant is given back: its application never heard of it. */
static void a_handshake_that_fails_gives_the_grant_back(void **state)
{
    struct client client = {.port = wire_new_port(), .send_next = 500};

    (void)state;
    wire_grant = GRANT_AT_ONCE;
    wire_assign(&client, NODE_APPLICATION, false);
    wire_grant = GRANT_NONE;
    client.receive_next = wire_expect(&client).sequence + 1;
    wire_send(&client, WIRE_RST | WIRE_ACK, NULL, 0);
    wire_run();
    expect_closed(false);
    wire_clear();
}

/* Last: the application does not come back. Nothing was heard of them: another one gets them. */
static void a_dead_applications_go_to_another(void **state)
{
    struct client client, gone;
    unsigned before = wire_connection_count();

    (void)state;
    (void)open_granted(&client, "GET /");
    (void)open_granted(&gone, "GET /");
    wire_send(&gone, WIRE_RST, NULL, 0);
    wire_run();
    assert_int_equal(wire_connection_count(), before + 2);
    fake_set_node_state(NODE_APPLICATION, NODE_DEAD);
    dispatch_sleep(); /* where the dispatcher looks for deaths */
    wire_run();
    (void)fake_expect_message(NODE_CM, ACCEPT_TIMEOUT);
    (void)fake_expect_message(NODE_CM, ACCEPT_TIMEOUT);
    fake_expect_no_message(NODE_CM);
    assert_int_equal(wire_connection_count(), before + 1);
    wire_send(&client, WIRE_RST, NULL, 0);
    wire_run();
    assert_int_equal(wire_connection_count(), before);
}

static int start(void **state)
{
    wire_words = "claim-timeout=30 net=192.168.1.15/24,gw=192.168.1.2";
    int result = wire_set_up(state);

    wire_advance_ns(1); /* at 0 nothing was told of anything */
    return result;
}

#define TEST(name) cmocka_unit_test_teardown(name, wire_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_first_message_about_it_claims_it),
        TEST(what_has_come_before_a_silent_claim_is_delivered_then),
        TEST(nobody_else_can_claim_it_by_a_message),
        TEST(at_the_time_out_it_is_asked_for_and_goes_to_another_when_declined),
        TEST(what_one_was_told_of_the_next_one_was_not),
        TEST(who_declines_one_that_is_given_up_gets_no_grant_back),
        TEST(a_claim_that_crosses_the_recall_is_good),
        TEST(one_that_cannot_be_told_has_not_taken_it),
        TEST(a_recall_finds_its_way_through_a_full_channel),
        TEST(one_that_tcp_has_lost_is_kept_until_the_application_can_be_told),
        TEST(one_that_is_wanted_with_data_is_told_of_with_it),
        TEST(one_without_data_is_told_of_after_a_while_and_at_its_end),
        TEST(a_handshake_that_fails_gives_the_grant_back),
        cmocka_unit_test(a_dead_applications_go_to_another),
    };

    return cmocka_run_group_tests(tests, start, NULL);
}
