/* SPDX-License-Identifier: MIT */
/* sources: net/draining_report.c tests/unit/world/fake_return.c */
/* sources: tests/unit/world/fake_client.c */
/* library: lwip */
/*
 * Tests net/transport/managers.h: new connections of a transport server while no connection manager
 * lives, and when one is back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/message/dispatch.h"
#include "net/configuration.h"
#include "net/transport/availability.h"
#include "tests/unit/world/fake_client.h"
#include "tests/unit/world/fake_park.h"
#include "tests/unit/world/fake_platform.h"
#include "tests/unit/world/fake_return.h"

static struct client waiting;

static void give_first_servers(struct configuration *configuration)
{
    memcpy(configuration->first_cm, configuration->own_cm, sizeof(configuration->first_cm));
    memcpy(configuration->first_ls, configuration->own_ls, sizeof(configuration->first_ls));
}

static int start(void **state)
{
    wire_change_configuration = give_first_servers;
    return wire_set_up(state);
}

static void look_at_nodes(void)
{
    dispatch_sleep();
    wire_run();
}

static void all_managers_die(void)
{
    fake_set_node_state(NODE_CM, NODE_DEAD);
    fake_set_node_state(NODE_OTHER_CM, NODE_DEAD);
    look_at_nodes();
}

static void serve_again(void)
{
    struct serves_again message = {
        .header = {.type = SERVES_AGAIN, .length_bytes = sizeof(message)}, .role = ROLE_CM};

    fake_deliver(NODE_CM, &message.header);
    wire_run();
}

/* All three steps of the handshake. Nobody is asked. */
static void open_connection(struct client *client)
{
    *client = (struct client){.port = wire_new_port(), .send_next = 7000};
    wire_send_syn(client);
    client->receive_next = wire_expect(client).sequence + 1;
    client->send_next++;
    wire_send(client, WIRE_ACK, NULL, 0);
    wire_run();
}

static void with_no_manager_a_new_connection_waits(void **state)
{
    (void)state;
    fake_can_park = true;
    all_managers_die();
    wire_clear();
    open_connection(&waiting);
    wire_expect_silence();
    assert_int_equal(wire_connection_count(), 1);
}

/* One that is back knows no port yet. */
static void it_asks_the_first_that_serves_again_and_not_before(void **state)
{
    const struct accept_timeout *question;
    struct reassign_connection answer = {
        .header = {.type = REASSIGN_CONNECTION, .length_bytes = sizeof(answer)},
        .acceptor = {.node = NODE_APPLICATION,
                     .listener_index = 3,
                     .cm = NODE_CM,
                     .assigned_by = NODE_CM},
        .port = WIRE_SERVER_PORT};

    (void)state;
    fake_build_again(NODE_CM);
    look_at_nodes();
    fake_expect_no_message(NODE_CM);
    serve_again();
    question = fake_expect_message(NODE_CM, ACCEPT_TIMEOUT);
    assert_int_equal(question->acceptor.node, NODE_NONE);
    assert_int_equal(question->port, WIRE_SERVER_PORT);
    fake_expect_no_message(NODE_CM);
    answer.connection_index = question->connection_index;
    answer.generation = question->generation;
    fake_deliver(NODE_CM, &answer.header);
    wire_run();
    (void)fake_expect_message(NODE_APPLICATION, CONNECTION_AVAILABLE);
    wire_expect_silence();
}

static void one_that_nobody_takes_in_time_is_reset(void **state)
{
    struct client client;

    (void)state;
    all_managers_die();
    wire_clear();
    open_connection(&client);
    wire_expect_silence();
    wire_advance_ns(UNACCEPTED_MAX_NS + NS_PER_S);
    assert_int_equal(wire_expect(&client).flags & WIRE_RST, WIRE_RST);
}

static void where_dead_nodes_stay_dead_it_is_reset_at_once(void **state)
{
    struct client client;

    (void)state;
    fake_can_park = false;
    wire_clear();
    open_connection(&client);
    assert_int_equal(wire_expect(&client).flags & WIRE_RST, WIRE_RST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(with_no_manager_a_new_connection_waits),
        cmocka_unit_test(it_asks_the_first_that_serves_again_and_not_before),
        cmocka_unit_test(one_that_nobody_takes_in_time_is_reset),
        cmocka_unit_test(where_dead_nodes_stay_dead_it_is_reset_at_once),
    };

    return cmocka_run_group_tests(tests, start, NULL);
}
