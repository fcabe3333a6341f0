/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/cm_world.c */
/*
 * Tests net/manager/manager.c: who gets a new connection, what is refused, full tables.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "net/closed.h"
#include "tests/unit/world/cm_world.h"

/* --- Opening --- */

static void a_syn_is_answered_with_an_acceptor(void **state)
{
    (void)state;
    one_app_serves(APP_A);
    syn_arrives(TS_B, PORT);

    const struct sent_message *message = next_sent(TS_B, ASSIGN_CONNECTION);

    assert_int_equal(message->assign.acceptor.node, APP_A);
    assert_int_equal(message->assign.acceptor.listener_index, 7);
    assert_int_equal(message->assign.acceptor.cm, OUR_CM);
    assert_int_equal(message->assign.acceptor.assigned_by, OUR_CM);
    assert_int_equal(message->assign.is_refused, 0);
    assert_int_equal(message->assign.flow.remote_address, 0x0200000A);
    assert_int_equal(message->assign.flow.local_port, __builtin_bswap16(PORT));
    assert_int_equal(counters[COUNTER_CM_ASSIGNED], 1);
    nothing_more_is_sent();
}

static void a_syn_for_a_port_that_nobody_serves_is_refused(void **state)
{
    (void)state;
    one_app_serves(APP_A);
    syn_arrives(TS_A, PORT + 1);

    const struct sent_message *message = next_sent(TS_A, ASSIGN_CONNECTION);

    assert_int_equal(message->assign.is_refused, 1);
    assert_int_equal(message->assign.acceptor.node, NODE_NONE);
    assert_int_equal(counters[COUNTER_CM_ASSIGNED], 0);
}

static void equal_acceptors_take_turns(void **state)
{
    (void)state;
    both_apps_serve();
    nothing_more_is_sent();
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(connection_opens(TS_A).node, i % 2 == 0 ? APP_A : APP_B);
    }
}

static void the_acceptor_with_fewer_open_connections_is_chosen(void **state)
{
    struct acceptor acceptors[4];

    (void)state;
    both_apps_serve();
    for (unsigned i = 0; i < 4; i++) {
        acceptors[i] = connection_opens(TS_A);
    }
    /* B closes both of its own, so the next two are B's. */
    connection_closes(TS_A, acceptors[1]);
    connection_closes(TS_A, acceptors[3]);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(connection_opens(TS_A).node, APP_B);
    }
    syn_arrives(TS_A, PORT);
    syn_arrives(TS_A, PORT);
    assert_int_not_equal(assigned_to(TS_A).node, assigned_to(TS_A).node);
}

static void an_application_that_only_listens_is_not_an_acceptor(void **state)
{
    (void)state;
    app_listens(APP_A, PORT, 8);
    syn_arrives(TS_A, PORT);

    const struct sent_message *message = next_sent(TS_A, ASSIGN_CONNECTION);

    assert_int_equal(message->assign.acceptor.node, NODE_NONE);
    assert_int_equal(message->assign.acceptor.cm, OUR_CM);
    assert_int_equal(message->assign.is_refused, 0);
    nothing_more_is_sent();
}

static void accepting_twice_changes_nothing(void **state)
{
    (void)state;
    one_app_serves(APP_A);
    app_accepts(APP_A, PORT);
    nothing_more_is_sent();
    app_listens(APP_B, PORT, 8);
    app_accepts(APP_B, PORT);
    app_accepts(APP_A, PORT);
    syn_arrives(TS_A, PORT);
    assert_int_equal(connection_opens(TS_A).node, APP_A);
    assert_int_equal(assigned_to(TS_A).node, APP_B);
}

static void ports_are_served_apart(void **state)
{
    (void)state;
    one_app_serves(APP_A);
    app_listens(APP_B, PORT + 64, 8); /* the same place in the hash */
    app_accepts(APP_B, PORT + 64);
    (void)next_sent(OTHER_CM, OFFER);
    syn_arrives(TS_A, PORT);
    syn_arrives(TS_A, PORT + 64);
    assert_int_equal(assigned_to(TS_A).node, APP_A);
    assert_int_equal(assigned_to(TS_A).node, APP_B);
    app_stops_listening(APP_A, PORT);
    assert_null(listener_at(PORT));
    assert_non_null(listener_at(PORT + 64));
}

/* --- Messages that cannot be right --- */

static void assert_refused_messages(unsigned count)
{
    assert_int_equal(counters[COUNTER_DROP_BAD_MESSAGE], count);
    nothing_more_is_sent();
}

static void messages_from_nodes_without_the_role_are_refused(void **state)
{
    const struct acceptor ours = {
        .node = APP_A, .listener_index = 7, .cm = OUR_CM, .assigned_by = OUR_CM};

    (void)state;
    one_app_serves(APP_A);
    app_listens(TS_B, PORT, 8);
    app_stops_listening(APP_B, PORT);
    app_accepts(TS_B, PORT);
    syn_arrives(APP_A, PORT);
    claim_times_out(APP_A, ours, 1);
    connection_closes(APP_B, ours);
    DELIVER(APP_A, OFFER, (struct offer){.acceptor = {.node = APP_A, .cm = APP_A}, .port = PORT});
    DELIVER(OUR_CM, OFFER, (struct offer){.acceptor = {.node = APP_A}, .port = PORT});
    assert_refused_messages(8);
}

static void messages_that_name_impossible_things_are_refused(void **state)
{
    const struct acceptor ours = {
        .node = APP_A, .listener_index = 7, .cm = OUR_CM, .assigned_by = OUR_CM};
    struct acceptor acceptor = ours;

    (void)state;
    one_app_serves(APP_A);
    app_listens(APP_B, 0, 8);
    app_listens(APP_B, PORT, 0);
    app_accepts(APP_B, PORT);
    app_accepts(APP_A, PORT + 1);
    app_stops_listening(APP_A, PORT + 1);
    acceptor.node = NODE_COUNT;
    claim_times_out(TS_A, acceptor, 1);
    acceptor.node = TS_A;
    claim_times_out(TS_A, acceptor, 1);
    acceptor = ours;
    acceptor.cm = OTHER_CM;
    claim_times_out(TS_A, acceptor, 1);
    acceptor = ours;
    acceptor.assigned_by = NODE_NONE;
    connection_closes(TS_A, acceptor);
    connection_closes(TS_A, nobody);
    DELIVER(OTHER_CM, OFFER,
            (struct offer){.acceptor = {.node = NODE_COUNT, .cm = OTHER_CM}, .port = PORT});
    DELIVER(OTHER_CM, OFFER,
            (struct offer){.acceptor = {.node = APP_A, .cm = OUR_CM}, .port = PORT});
    DELIVER(OTHER_CM, OFFER, (struct offer){.acceptor = {.node = APP_A, .cm = OTHER_CM}});
    DELIVER(APP_B, LISTEN,
            (struct listen){.port = PORT, .listener_index = LISTENER_MAX, .backlog = 1});
    assert_refused_messages(14);
    assert_int_equal(listener_at(PORT)->applications->outstanding, 0);
}

/* An application whose own CM is dead asks the next one, which may not know of that death yet. */
static void an_application_of_a_dead_manager_gets_a_place_on_our_list(void **state)
{
    (void)state;
    app_listens(APP_OF_OTHER, PORT, 8);
    app_accepts(APP_OF_OTHER, PORT);
    other_cm_is_offered(APP_OF_OTHER);
    node_dies(OTHER_CM);
    assert_int_equal(connection_opens(TS_A).node, APP_OF_OTHER);
}

/* --- Full tables --- */

static void ports_beyond_the_table_are_not_served(void **state)
{
    (void)state;
    for (uint16_t i = 0; i < LISTENER_MAX; i++) {
        app_listens(APP_A, (uint16_t)(1000 + i), 8);
    }
    assert_int_equal(counters[COUNTER_DROP_NO_MEMORY], 0);
    app_listens(APP_A, 999, 8);
    other_cm_offers(APP_OF_OTHER);
    assert_int_equal(counters[COUNTER_DROP_NO_MEMORY], 2);
    syn_arrives(TS_A, 999);
    assert_int_equal(next_sent(TS_A, ASSIGN_CONNECTION)->assign.is_refused, 1);
    app_stops_listening(APP_A, 1000 + LISTENER_MAX / 2);
    app_listens(APP_A, 999, 8);
    syn_arrives(TS_A, 999);
    assert_int_equal(next_sent(TS_A, ASSIGN_CONNECTION)->assign.is_refused, 0);
}

static void applications_beyond_the_table_are_not_served(void **state)
{
    (void)state;
    assert_true(manager.listeners.application_max <= 2 * LISTENER_MAX);
    for (uint16_t i = 0; i < manager.listeners.application_max; i++) {
        DELIVER(i % 2 == 0 ? APP_A : APP_B, LISTEN,
                (struct listen){.port = PORT, .listener_index = i / 2, .backlog = 1});
    }
    assert_int_equal(counters[COUNTER_DROP_NO_MEMORY], 0);
    app_listens(APP_A, PORT + 1, 8);
    app_listens(APP_B, PORT + 1, 8);
    assert_int_equal(counters[COUNTER_DROP_NO_MEMORY], 2);
    assert_null(listener_at(PORT + 1));
    DELIVER(APP_A, UNLISTEN, (struct unlisten){.port = PORT, .listener_index = 5});
    app_listens(APP_B, PORT + 1, 8);
    app_accepts(APP_B, PORT + 1);
    assert_int_equal(next_sent(OTHER_CM, OFFER)->offer.acceptor.node, APP_B);
}

/* Several in one message, each of them checked and counted by itself. */
static void closes_that_come_together_count_each(void **state)
{
    struct acceptor acceptor;
    struct connection_closed message = {.closed = {{0}}};

    (void)state;
    one_app_serves(APP_A);
    for (unsigned i = 0; i < 5; i++) {
        acceptor = connection_opens(TS_A);
    }
    message.closed[0] = closed_connection_of(&acceptor, PORT, 1000);
    message.closed[1] = closed_connection_of(&acceptor, PORT + 1, 1000); /* nobody's */
    message.closed[2] = closed_connection_of(&acceptor, PORT, 0);
    message.closed[2].node = TS_A; /* no application */
    message.closed[3] = closed_connection_of(&acceptor, PORT, UINT64_MAX);
    DELIVER(TS_A, CONNECTION_CLOSED, message);
    assert_int_equal(listener_at(PORT)->applications->outstanding, 3);
    assert_int_equal(counters[COUNTER_DROP_BAD_MESSAGE], 1);
    /* An empty place says nothing, wherever it is. */
    message.closed[0].port = message.closed[2].port = message.closed[3].port = 0;
    message.closed[1].port = PORT;
    DELIVER(TS_A, CONNECTION_CLOSED, message);
    assert_int_equal(listener_at(PORT)->applications->outstanding, 2);
    assert_int_equal(counters[COUNTER_DROP_BAD_MESSAGE], 1);
}

static uint32_t outstanding_of(node_id_t node)
{
    const struct listening_application *application = listener_at(PORT)->applications;

    while (application->node != node) {
        application = application->next;
        assert_non_null(application);
    }
    return application->outstanding;
}

/* Whoever was the one before it. */
static void closes_of_several_applications_in_one_message_are_each_its_own(void **state)
{
    const node_id_t order[CLOSED_MAX] = {APP_A, APP_A, APP_B, APP_A};
    struct acceptor acceptors[16] = {{0}};
    struct connection_closed message = {.closed = {{0}}};
    uint32_t before_a, before_b;

    (void)state;
    both_apps_serve();
    for (unsigned i = 0; i < 8; i++) {
        struct acceptor acceptor = connection_opens(TS_A);

        acceptors[acceptor.node] = acceptor;
    }
    before_a = outstanding_of(APP_A);
    before_b = outstanding_of(APP_B);
    assert_int_equal(before_a + before_b, 8);
    assert_true(before_a >= 3 && before_b >= 1);
    for (unsigned i = 0; i < CLOSED_MAX; i++) {
        message.closed[i] = closed_connection_of(&acceptors[order[i]], PORT, 1000);
    }
    DELIVER(TS_A, CONNECTION_CLOSED, message);
    assert_int_equal(outstanding_of(APP_A), before_a - 3);
    assert_int_equal(outstanding_of(APP_B), before_b - 1);
}

/* To within its unit, and never 0 unless it was never sent. */
static void a_service_time_survives_its_message(void **state)
{
    static const uint64_t times_ns[] = {1, 15, 16, 17, 1000000007, 0xFFFFFFF00};
    const struct acceptor acceptor = {.node = APP_A};

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(times_ns); i++) {
        struct closed_connection closed = closed_connection_of(&acceptor, PORT, times_ns[i]);

        assert_in_range(closed_connection_service_ns(&closed), times_ns[i] & ~UINT64_C(15),
                        times_ns[i] | 16);
    }
    const struct closed_connection never = closed_connection_of(&acceptor, PORT, 0);
    const struct closed_connection longest = closed_connection_of(&acceptor, PORT, UINT64_MAX);

    assert_int_equal(never.service, 0);
    assert_int_equal(longest.service, UINT32_MAX);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start_anew, all_is_given_back)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_syn_is_answered_with_an_acceptor),
        TEST(closes_that_come_together_count_each),
        TEST(closes_of_several_applications_in_one_message_are_each_its_own),
        TEST(a_service_time_survives_its_message),
        TEST(a_syn_for_a_port_that_nobody_serves_is_refused),
        TEST(equal_acceptors_take_turns),
        TEST(the_acceptor_with_fewer_open_connections_is_chosen),
        TEST(an_application_that_only_listens_is_not_an_acceptor),
        TEST(accepting_twice_changes_nothing),
        TEST(ports_are_served_apart),
        TEST(messages_from_nodes_without_the_role_are_refused),
        TEST(messages_that_name_impossible_things_are_refused),
        TEST(an_application_of_a_dead_manager_gets_a_place_on_our_list),
        TEST(ports_beyond_the_table_are_not_served),
        TEST(applications_beyond_the_table_are_not_served),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
