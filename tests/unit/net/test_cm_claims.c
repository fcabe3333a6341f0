/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/cm_world.c */
/*
 * Tests net/manager/manager.c with net/manager/waiting.c: connections that nobody claims, and nodes
 * that die.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/world/cm_world.h"

/* --- Claims that come late --- */

static void an_unclaimed_connection_goes_to_another_acceptor(void **state)
{
    struct acceptor acceptor;

    (void)state;
    both_apps_serve();
    acceptor = connection_opens(TS_A);
    assert_int_equal(acceptor.node, APP_A);
    claim_times_out(TS_A, acceptor, 3);
    other_cm_is_offered(APP_B);
    connection_is_reassigned(TS_A, 3, APP_B);
    /* A is off the list until it asks again. */
    syn_arrives(TS_A, PORT);
    assert_int_equal(connection_opens(TS_A).node, APP_B);
    assert_int_equal(assigned_to(TS_A).node, APP_B);
    app_accepts(APP_A, PORT);
    assert_int_equal(connection_opens(TS_A).node, APP_A);
    nothing_more_is_sent();
}

static void an_unclaimed_connection_no_longer_counts_as_open(void **state)
{
    struct acceptor acceptor;

    (void)state;
    one_app_serves(APP_A);
    acceptor = connection_opens(TS_A);
    assert_int_equal(listener_at(PORT)->applications->outstanding, 1);
    claim_times_out(TS_A, acceptor, 3);
    assert_int_equal(listener_at(PORT)->applications->outstanding, 0);
    other_cm_is_offered(NODE_NONE);
    nothing_more_is_sent();
}

/* ACCEPT_CONNECTION and ACCEPT_TIMEOUT come by different channels: an application that found its
 * backlog full may ask again before its time to claim ends. */
static void who_asks_again_before_the_timeout_stays_on_the_list(void **state)
{
    struct accept_connection again = {.port = PORT, .listener_index = 7, .request_number = 1};
    struct acceptor first, second;

    (void)state;
    one_app_serves(APP_A);
    first = connection_opens(TS_A);
    DELIVER(APP_A, ACCEPT_CONNECTION, again);
    other_cm_is_offered(APP_A); /* with the new request's number */
    claim_times_out(TS_A, first, 3);
    connection_is_reassigned(TS_A, 3, APP_A);
    second = connection_opens(TS_A);
    assert_int_equal(second.node, APP_A);
    assert_int_equal(second.request_number, 1);
    /* One that was assigned since then and not claimed: now it is dropped. */
    claim_times_out(TS_A, second, 4);
    other_cm_is_offered(NODE_NONE);
    nothing_more_is_sent();
}

static void without_acceptors_connections_wait_in_order(void **state)
{
    (void)state;
    app_listens(APP_A, PORT, 8);
    for (uint32_t i = 0; i < 3; i++) {
        claim_times_out(i % 2 == 0 ? TS_A : TS_B, nobody, i);
    }
    nothing_more_is_sent();
    assert_int_equal(counters[COUNTER_CM_QUEUED], 3);
    app_accepts(APP_A, PORT);
    other_cm_is_offered(APP_A);
    connection_is_reassigned(TS_A, 0, APP_A);
    connection_is_reassigned(TS_B, 1, APP_A);
    connection_is_reassigned(TS_A, 2, APP_A);
    nothing_more_is_sent();
    assert_int_equal(counters[COUNTER_CM_ASSIGNED], 3);
    assert_int_equal(listener_at(PORT)->applications->outstanding, 3);
}

static void more_than_the_backlogs_do_not_wait(void **state)
{
    (void)state;
    app_listens(APP_A, PORT, 1);
    app_listens(APP_B, PORT, 2);
    for (uint32_t i = 0; i < 3; i++) {
        claim_times_out(TS_A, nobody, i);
    }
    nothing_more_is_sent();
    claim_times_out(TS_A, nobody, 3);
    connection_is_refused(TS_A, 3);
    assert_int_equal(counters[COUNTER_DROP_BACKLOG_FULL], 1);
    assert_int_equal(counters[COUNTER_DROP_NO_MEMORY], 0);
    /* A larger backlog, told later, makes room. */
    app_listens(APP_A, PORT, 2);
    claim_times_out(TS_A, nobody, 4);
    nothing_more_is_sent();
    claim_times_out(TS_A, nobody, 5);
    connection_is_refused(TS_A, 5);
    /* A smaller one, and one that goes, make none for those who wait already. */
    app_listens(APP_A, PORT, 1);
    connection_is_refused(TS_A, 0);
    app_stops_listening(APP_B, PORT);
    connection_is_refused(TS_A, 1);
    connection_is_refused(TS_A, 2);
    nothing_more_is_sent();
    assert_int_equal(counters[COUNTER_DROP_BACKLOG_FULL], 5);
    app_accepts(APP_A, PORT);
    other_cm_is_offered(APP_A);
    connection_is_reassigned(TS_A, 4, APP_A);
    nothing_more_is_sent();
}

static void the_pool_of_those_who_wait_is_bounded(void **state)
{
    (void)state;
    app_listens(APP_A, PORT, UINT32_MAX);
    for (uint32_t i = 0; i < WAITING_MAX; i++) {
        claim_times_out(TS_A, nobody, i);
    }
    nothing_more_is_sent();
    claim_times_out(TS_A, nobody, WAITING_MAX);
    connection_is_refused(TS_A, WAITING_MAX);
    assert_int_equal(counters[COUNTER_DROP_BACKLOG_FULL], 1);
    app_accepts(APP_A, PORT);
    other_cm_is_offered(APP_A);
    for (uint32_t i = 0; i < WAITING_MAX; i++) {
        connection_is_reassigned(TS_A, i, APP_A);
    }
    claim_times_out(TS_A, nobody, 1);
    connection_is_reassigned(TS_A, 1, APP_A);
}

/* The backlogs may add up to more than the pool holds. */
static void a_used_up_pool_is_not_counted_as_a_full_backlog(void **state)
{
    (void)state;
    app_listens(APP_A, PORT, WAITING_MAX);
    app_listens(APP_B, PORT, WAITING_MAX);
    for (uint32_t i = 0; i < WAITING_MAX; i++) {
        claim_times_out(TS_A, nobody, i);
    }
    nothing_more_is_sent();
    claim_times_out(TS_A, nobody, WAITING_MAX);
    connection_is_refused(TS_A, WAITING_MAX);
    assert_int_equal(counters[COUNTER_DROP_NO_MEMORY], 1);
    assert_int_equal(counters[COUNTER_DROP_BACKLOG_FULL], 0);
}

static void a_timeout_for_a_port_nobody_serves_any_more_is_refused(void **state)
{
    struct acceptor acceptor;

    (void)state;
    one_app_serves(APP_A);
    acceptor = connection_opens(TS_A);
    app_stops_listening(APP_A, PORT);
    other_cm_is_offered(NODE_NONE);
    claim_times_out(TS_A, acceptor, 3);
    connection_is_refused(TS_A, 3);
}

static void unlistening_gives_unclaimed_connections_to_others(void **state)
{
    struct acceptor acceptor;

    (void)state;
    one_app_serves(APP_A);
    app_listens(APP_B, PORT, 8);
    acceptor = connection_opens(TS_A);
    app_stops_listening(APP_A, PORT);
    other_cm_is_offered(NODE_NONE);
    claim_times_out(TS_A, acceptor, 3);
    nothing_more_is_sent();
    app_accepts(APP_B, PORT);
    other_cm_is_offered(APP_B);
    connection_is_reassigned(TS_A, 3, APP_B);
}

static void the_last_to_unlisten_refuses_those_who_wait(void **state)
{
    (void)state;
    app_listens(APP_A, PORT, 8);
    app_listens(APP_B, PORT, 8);
    claim_times_out(TS_A, nobody, 1);
    claim_times_out(TS_B, nobody, 2);
    app_stops_listening(APP_A, PORT);
    nothing_more_is_sent();
    app_stops_listening(APP_B, PORT);
    connection_is_refused(TS_A, 1);
    connection_is_refused(TS_B, 2);
    assert_null(listener_at(PORT));
}

/* An application that left and came back owes nothing for what it had before. */
static void closes_from_before_an_unlisten_are_not_counted(void **state)
{
    struct acceptor acceptor;

    (void)state;
    one_app_serves(APP_A);
    acceptor = connection_opens(TS_A);
    app_stops_listening(APP_A, PORT);
    other_cm_is_offered(NODE_NONE);
    connection_closes(TS_A, acceptor);
    one_app_serves(APP_A);
    connection_closes(TS_A, acceptor);
    assert_int_equal(listener_at(PORT)->applications->outstanding, 0);
    assert_int_equal(counters[COUNTER_DROP_BAD_MESSAGE], 0);
}

/* --- Dead nodes --- */

static void a_dead_application_is_forgotten(void **state)
{
    (void)state;
    both_apps_serve();
    node_dies(APP_A);
    other_cm_is_offered(APP_B);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(connection_opens(TS_A).node, APP_B);
    }
    node_dies(APP_B);
    other_cm_is_offered(NODE_NONE);
    assert_null(listener_at(PORT));
    nothing_more_is_sent();
}

static void an_unclaimed_connection_of_a_dead_application_is_reassigned(void **state)
{
    struct acceptor acceptor;

    (void)state;
    both_apps_serve();
    acceptor = connection_opens(TS_A);
    node_dies(APP_A);
    other_cm_is_offered(APP_B);
    claim_times_out(TS_A, acceptor, 9);
    connection_is_reassigned(TS_A, 9, APP_B);
}

static void the_offers_of_a_dead_manager_are_withdrawn(void **state)
{
    (void)state;
    app_listens(APP_A, PORT, 8);
    other_cm_offers(APP_OF_OTHER);
    node_dies(OTHER_CM);
    assert_int_equal(connection_opens(TS_A).node, NODE_NONE);
}

static void an_offer_of_a_dead_application_is_withdrawn(void **state)
{
    (void)state;
    app_listens(APP_A, PORT, 8);
    other_cm_offers(APP_OF_OTHER);
    node_dies(APP_OF_OTHER);
    assert_int_equal(connection_opens(TS_A).node, NODE_NONE);
}

static void connections_of_a_dead_ts_neither_wait_nor_count(void **state)
{
    struct listening_application *application;

    (void)state;
    app_listens(APP_A, PORT, 8);
    claim_times_out(TS_A, nobody, 1);
    claim_times_out(TS_B, nobody, 2);
    claim_times_out(TS_A, nobody, 3);
    claim_times_out(TS_B, nobody, 4);
    node_dies(TS_B);
    app_accepts(APP_A, PORT);
    connection_is_reassigned(TS_A, 1, APP_A);
    connection_is_reassigned(TS_A, 3, APP_A);
    nothing_more_is_sent();
    syn_arrives(TS_B, PORT);
    syn_arrives(TS_B, PORT);
    application = listener_at(PORT)->applications;
    assert_int_equal(application->outstanding, 4);
    node_dies(TS_B);
    assert_int_equal(application->outstanding, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start_anew, all_is_given_back)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_unclaimed_connection_goes_to_another_acceptor),
        TEST(an_unclaimed_connection_no_longer_counts_as_open),
        TEST(who_asks_again_before_the_timeout_stays_on_the_list),
        TEST(without_acceptors_connections_wait_in_order),
        TEST(more_than_the_backlogs_do_not_wait),
        TEST(the_pool_of_those_who_wait_is_bounded),
        TEST(a_used_up_pool_is_not_counted_as_a_full_backlog),
        TEST(a_timeout_for_a_port_nobody_serves_any_more_is_refused),
        TEST(unlistening_gives_unclaimed_connections_to_others),
        TEST(the_last_to_unlisten_refuses_those_who_wait),
        TEST(closes_from_before_an_unlisten_are_not_counted),
        TEST(a_dead_application_is_forgotten),
        TEST(an_unclaimed_connection_of_a_dead_application_is_reassigned),
        TEST(the_offers_of_a_dead_manager_are_withdrawn),
        TEST(an_offer_of_a_dead_application_is_withdrawn),
        TEST(connections_of_a_dead_ts_neither_wait_nor_count),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
