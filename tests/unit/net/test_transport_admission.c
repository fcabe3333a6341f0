/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/fake_client.c */
/* library: lwip */
/*
 * Tests net/transport/admission.c over a whole transport server: which SYNs are answered, and what
 * comes of a connection manager's answer about a connection, whenever it comes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "net/counters.h"
#include "net/transport/counters.h"
#include "tests/unit/world/fake_client.h"
#include "tests/unit/world/fake_platform.h"

/* --- Ports --- */

static void tell(node_id_t from, uint16_t port, bool is_first, bool is_last)
{
    const struct ports_served list = {
        .header = {.type = PORTS_SERVED, .length_bytes = sizeof(list)},
        .ports = {[PORTS_SERVED_MAX - 1] = port},
        .is_first = is_first,
        .is_last = is_last,
    };

    fake_deliver(from, &list.header);
    wire_run();
}

static struct client new_client(void)
{
    return (struct client){.port = wire_new_port(), .send_next = 1000};
}

/* What a SYN for the clients' port gets: flags, or 0 for nothing. */
static uint8_t answer_to_syn(void)
{
    struct client client = new_client();
    struct segment answer;

    wire_send_syn(&client);
    return wire_take(&answer) ? answer.flags : 0;
}

static void a_port_that_nobody_serves_is_reset(void **state)
{
    (void)state;
    assert_int_equal(answer_to_syn(), WIRE_SYN | WIRE_ACK);
    wire_serve(false);
    wire_clear();
    assert_int_equal(answer_to_syn(), WIRE_RST | WIRE_ACK);
    fake_expect_no_message(NODE_CM);
    wire_serve(true);
    assert_int_equal(answer_to_syn(), WIRE_SYN | WIRE_ACK);
}

/* A list of several messages is none before its last one, in which the port may be. */
static void nobody_is_answered_while_the_list_is_not_whole(void **state)
{
    uint64_t before = wire_counted(COUNTER_DROP_NO_MANAGER);

    (void)state;
    tell(NODE_CM, 4711, true, false);
    assert_int_equal(answer_to_syn(), 0);
    assert_int_equal(wire_counted(COUNTER_DROP_NO_MANAGER), before + 1);
    tell(NODE_CM, WIRE_SERVER_PORT, false, false);
    assert_int_equal(answer_to_syn(), 0);
    tell(NODE_CM, 0, false, true);
    assert_int_equal(answer_to_syn(), WIRE_SYN | WIRE_ACK);
    assert_int_equal(wire_counted(COUNTER_DROP_NO_MANAGER), before + 2);
    tell(NODE_CM, 4711, true, true);
    assert_int_equal(answer_to_syn(), WIRE_RST | WIRE_ACK);
    wire_serve(true);
}

/* It may have become ours by a death that we have not been told of yet. */
static void another_managers_list_counts_too_and_no_other_nodes(void **state)
{
    uint64_t bad = wire_counted(COUNTER_DROP_BAD_MESSAGE);

    (void)state;
    tell(NODE_OTHER_CM, 4711, true, true);
    assert_int_equal(answer_to_syn(), WIRE_RST | WIRE_ACK);
    tell(NODE_APPLICATION, WIRE_SERVER_PORT, true, true);
    assert_int_equal(wire_counted(COUNTER_DROP_BAD_MESSAGE), bad + 1);
    assert_int_equal(answer_to_syn(), WIRE_RST | WIRE_ACK);
    tell(NODE_OTHER_CM, WIRE_SERVER_PORT, true, true);
    assert_int_equal(answer_to_syn(), WIRE_SYN | WIRE_ACK);
}

/* --- The answer about a connection --- */

/* A handshake that is complete, of which the CM has been asked and has not answered. */
static struct client complete_unanswered(void)
{
    struct client client = new_client();

    wire_clear();
    wire_send_syn(&client);
    client.receive_next = wire_expect(&client).sequence + 1;
    wire_send(&client, WIRE_ACK, NULL, 0);
    wire_run();
    fake_expect_no_message(NODE_APPLICATION);
    return client;
}

static void finish(struct client *client)
{
    wire_send(client, WIRE_RST, NULL, 0);
    wire_run();
}

static void the_question_is_a_line_with_the_flow(void **state)
{
    struct client client = new_client();
    const struct syn_arrived *question;

    (void)state;
    wire_clear();
    wire_send_syn(&client);
    question = fake_expect_message(NODE_CM, SYN_ARRIVED);
    assert_int_equal(question->header.length_bytes, sizeof(*question));
    assert_int_equal(question->flow.remote_address, WIRE_CLIENT_ADDRESS);
    assert_int_equal(question->flow.local_address, WIRE_OWN_ADDRESS);
    assert_int_equal(question->flow.remote_port, __builtin_bswap16(client.port));
    assert_int_equal(question->flow.local_port, __builtin_bswap16(WIRE_SERVER_PORT));
    fake_expect_no_message(NODE_CM);
}

static void a_connection_that_is_complete_first_waits_for_the_answer(void **state)
{
    struct client client = complete_unanswered();

    (void)state;
    assert_true(wire_answer_syn(NODE_APPLICATION, false));
    (void)fake_expect_message(NODE_APPLICATION, CONNECTION_AVAILABLE);
    fake_expect_no_message(NODE_CM); /* nothing else was asked */
    finish(&client);
}

/* Then it is one that waits at the CM. */
static void a_connection_for_which_there_is_nobody_yet_asks_again(void **state)
{
    struct client client = complete_unanswered();
    const struct accept_timeout *timeout;

    (void)state;
    assert_true(wire_answer_syn(NODE_NONE, false));
    timeout = fake_expect_message(NODE_CM, ACCEPT_TIMEOUT);
    assert_int_equal(timeout->acceptor.node, NODE_NONE);
    fake_expect_no_message(NODE_CM);
    finish(&client);
}

static void a_connection_whose_port_is_served_no_more_is_reset(void **state)
{
    struct client client = complete_unanswered();

    (void)state;
    assert_true(wire_answer_syn(NODE_NONE, true));
    assert_true((wire_expect(&client).flags & WIRE_RST) != 0);
    fake_expect_no_message(NODE_CM);
}

/* The CM has counted the acceptor. */
static void an_acceptor_for_what_is_over_is_given_back(void **state)
{
    struct client client = complete_unanswered();
    const struct connection_closed *closed;

    (void)state;
    finish(&client);
    assert_true(wire_answer_syn(NODE_APPLICATION, false));
    closed = fake_expect_message(NODE_CM, CONNECTION_CLOSED);
    assert_int_equal(closed->closed[0].node, NODE_APPLICATION);
    assert_int_equal(closed->closed[0].port, WIRE_SERVER_PORT);
    assert_int_equal(closed->closed[0].service, 0);
    fake_expect_no_message(NODE_APPLICATION);
}

/* A second one, of a CM that has lost count, is not one's that has been claimed. */
static void an_answer_that_nobody_waits_for_is_given_back(void **state)
{
    struct client client;
    struct assign_connection again = {
        .header = {.type = ASSIGN_CONNECTION, .length_bytes = sizeof(again)},
        .acceptor = {.node = NODE_APPLICATION, .cm = NODE_CM, .assigned_by = NODE_CM},
    };

    (void)state;
    (void)wire_accept(&client, wire_new_port());
    again.flow = (struct flow){
        .remote_address = WIRE_CLIENT_ADDRESS,
        .local_address = WIRE_OWN_ADDRESS,
        .remote_port = __builtin_bswap16(client.port),
        .local_port = __builtin_bswap16(WIRE_SERVER_PORT),
    };
    fake_deliver(NODE_CM, &again.header);
    wire_run();
    (void)fake_expect_message(NODE_CM, CONNECTION_CLOSED);
    wire_finish(&client);
}

/* A refusal has no acceptor. */
static void an_answer_that_cannot_be_is_refused(void **state)
{
    struct client client = complete_unanswered();
    uint64_t bad = wire_counted(COUNTER_DROP_BAD_MESSAGE);

    (void)state;
    assert_true(wire_answer_syn(NODE_APPLICATION, true));
    assert_int_equal(wire_counted(COUNTER_DROP_BAD_MESSAGE), bad + 1);
    fake_expect_no_message(NODE_APPLICATION);
    finish(&client);
}

#define TEST(name) cmocka_unit_test_teardown(name, wire_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_port_that_nobody_serves_is_reset),
        TEST(nobody_is_answered_while_the_list_is_not_whole),
        TEST(another_managers_list_counts_too_and_no_other_nodes),
        TEST(the_question_is_a_line_with_the_flow),
        TEST(a_connection_that_is_complete_first_waits_for_the_answer),
        TEST(a_connection_for_which_there_is_nobody_yet_asks_again),
        TEST(a_connection_whose_port_is_served_no_more_is_reset),
        TEST(an_acceptor_for_what_is_over_is_given_back),
        TEST(an_answer_that_nobody_waits_for_is_given_back),
        TEST(an_answer_that_cannot_be_is_refused),
    };

    return cmocka_run_group_tests(tests, wire_set_up, NULL);
}
