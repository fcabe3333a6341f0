/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/cm_world.c */
/*
 * Tests net/manager/acceptors.c: what closes, and connections that do not close, tell of an
 * application.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/closed.h"
#include "net/manager/acceptors.h"
#include "tests/unit/world/cm_world.h"

#define US NS_PER_US

/* --- What is learned --- */

static void closes_of_connections_that_others_assigned_count_for_the_application(void **state)
{
    const struct acceptor acceptor = {
        .node = APP_A, .listener_index = 7, .cm = OUR_CM, .assigned_by = OTHER_CM};

    (void)state;
    one_app_serves(APP_A);
    DELIVER(TS_B, CONNECTION_CLOSED,
            (struct connection_closed){.closed = {closed_connection_of(&acceptor, PORT, 164)}});
    assert_int_equal(application_of(APP_A)->service_ns, 164);
    assert_int_equal(application_of(APP_A)->closed_for_others_count, 1);
    assert_int_equal(application_of(APP_A)->outstanding, 0);
    /* Those that it did not claim are none of them. */
    claim_times_out(TS_B, acceptor, 1);
    assert_int_equal(application_of(APP_A)->closed_for_others_count, 1);
}

static void a_connection_that_was_never_available_tells_nothing(void **state)
{
    struct acceptor acceptor;

    (void)state;
    one_app_serves(APP_A);
    acceptor = connection_opens(TS_A);
    DELIVER(TS_A, CONNECTION_CLOSED,
            (struct connection_closed){.closed = {closed_connection_of(&acceptor, PORT, 0)}});
    assert_int_equal(application_of(APP_A)->history->count, 0);
    assert_int_equal(application_of(APP_A)->outstanding, 0);
    nothing_more_is_sent();
}

/* One that is not our own, as it has asked another CM: nothing is learned of it. */
static void closes_for_an_application_of_another_cm_change_nothing(void **state)
{
    const struct acceptor acceptor = {
        .node = APP_OF_OTHER, .listener_index = 7, .cm = OUR_CM, .assigned_by = OTHER_CM};

    (void)state;
    app_listens(APP_OF_OTHER, PORT, 8);
    DELIVER(TS_B, CONNECTION_CLOSED,
            (struct connection_closed){.closed = {closed_connection_of(&acceptor, PORT, 164)}});
    assert_int_equal(application_of(APP_OF_OTHER)->service_ns, 0);
}

static void the_longest_service_times_are_cut(void **state)
{
    (void)state;
    one_app_serves(APP_A);
    DELIVER(TS_B, CONNECTION_CLOSED,
            (struct connection_closed){
                .closed = {closed_connection_of(
                    &(struct acceptor){.node = APP_A, .listener_index = 7, .assigned_by = OTHER_CM},
                    PORT, UINT64_MAX)}});
    assert_true(application_of(APP_A)->service_ns <= SERVICE_MAX_NS);
    (void)connection_opens(TS_A);
}

/* --- Overdue --- */

/* Connections that do not close: the later it gets, the slower it must be. */
static void an_application_that_closes_nothing_becomes_slow(void **state)
{
    (void)state;
    one_app_serves(APP_A);
    serve_until_median_is(USUAL_NS);
    (void)connection_opens(TS_A);
    now_ns += 300 * US; /* within what is usual, fourfold */
    (void)connection_opens(TS_A);
    assert_false(application_of(APP_A)->is_overdue);
    assert_int_equal(application_of(APP_A)->service_ns, USUAL_NS);
    now_ns += 700 * US;
    (void)connection_opens(TS_A);
    assert_true(application_of(APP_A)->is_overdue);
    assert_int_equal(application_of(APP_A)->service_ns, 250 * US);
    wake();
    app_is_offered_in(APP_A, 250 * US);
    now_ns += 400 * NS_PER_S; /* more than there can be */
    (void)connection_opens(TS_A);
    assert_int_equal(application_of(APP_A)->service_ns, SERVICE_MAX_NS);
}

/* What is usual is the longest of late, and is forgotten slowly. */
static void a_gap_that_was_longer_of_late_counts_as_usual(void **state)
{
    (void)state;
    one_app_serves(APP_A);
    serve_until_median_is(USUAL_NS);
    serve_one(200 * US);
    for (unsigned i = 0; i < 3; i++) {
        serve_one(USUAL_NS);
    }
    (void)connection_opens(TS_A);
    now_ns += 600 * US;
    (void)connection_opens(TS_A);
    assert_false(application_of(APP_A)->is_overdue);
    serve_until_median_is(USUAL_NS);
    (void)connection_opens(TS_A);
    now_ns += 600 * US;
    (void)connection_opens(TS_A);
    assert_true(application_of(APP_A)->is_overdue);
    see_all();
}

/* The filter lets an offer pass then that it has kept out, for the very connection that shows it.
 */
static void connections_then_go_to_another(void **state)
{
    unsigned given_away = 0;

    (void)state;
    one_app_serves(APP_A);
    serve_until_median_is(USUAL_NS);
    other_cm_offers_in(APP_OF_OTHER, USUAL_NS);
    for (unsigned i = 0; i < 100; i++) {
        assert_int_equal(connection_opens(TS_A).node, APP_A);
    }
    now_ns += 100 * NS_PER_MS;
    assert_int_equal(connection_opens(TS_A).node, APP_OF_OTHER);
    for (unsigned i = 0; i < 100; i++) {
        given_away += connection_opens(TS_A).node == APP_OF_OTHER;
    }
    assert_true(given_away > 90);
}

static void a_close_in_usual_time_ends_it(void **state)
{
    struct acceptor acceptor;

    (void)state;
    one_app_serves(APP_A);
    serve_until_median_is(USUAL_NS);
    acceptor = connection_opens(TS_A);
    now_ns += 10 * NS_PER_MS;
    (void)connection_opens(TS_A);
    assert_true(application_of(APP_A)->is_overdue);
    DELIVER(TS_A, CONNECTION_CLOSED,
            (struct connection_closed){.closed = {closed_connection_of(&acceptor, PORT, 90 * US)}});
    assert_false(application_of(APP_A)->is_overdue);
    assert_int_equal(application_of(APP_A)->service_ns, USUAL_NS);
}

/* The median of an application that has become slow follows late: each close says so at once. */
static void a_close_that_took_long_shows_how_slow_it_is(void **state)
{
    struct acceptor acceptor;

    (void)state;
    one_app_serves(APP_A);
    serve_until_median_is(USUAL_NS);
    acceptor = connection_opens(TS_A);
    now_ns += 10 * NS_PER_MS;
    (void)connection_opens(TS_A);
    now_ns += 10 * NS_PER_MS;
    DELIVER(TS_A, CONNECTION_CLOSED,
            (struct connection_closed){
                .closed = {closed_connection_of(&acceptor, PORT, 20 * NS_PER_MS)}});
    assert_true(application_of(APP_A)->is_overdue);
    assert_int_equal(application_of(APP_A)->service_ns, 20 * NS_PER_MS);
}

/* A client far away makes no application slow: what lies between assignment and close is usual. */
static void a_long_way_to_the_client_is_no_sign_of_slowness(void **state)
{
    (void)state;
    one_app_serves(APP_A);
    for (unsigned i = 0; i < 40; i++) {
        struct acceptor acceptor = connection_opens(TS_A);

        now_ns += 50 * NS_PER_MS;
        struct acceptor second = connection_opens(TS_A);

        if (i > 2) {
            assert_false(application_of(APP_A)->is_overdue);
        }
        now_ns += 50 * NS_PER_MS;
        DELIVER(TS_A, CONNECTION_CLOSED,
                (struct connection_closed){
                    .closed = {closed_connection_of(&acceptor, PORT, USUAL_NS)}});
        DELIVER(
            TS_A, CONNECTION_CLOSED,
            (struct connection_closed){.closed = {closed_connection_of(&second, PORT, USUAL_NS)}});
        see_all();
    }
}

/* One that stays open for an hour beside others that close. */
static void a_connection_that_lives_long_is_no_sign_of_slowness(void **state)
{
    (void)state;
    one_app_serves(APP_A);
    serve_until_median_is(USUAL_NS);
    (void)connection_opens(TS_A);
    serve_one(USUAL_NS);
    now_ns += 3600 * NS_PER_S;
    (void)connection_opens(TS_A);
    assert_false(application_of(APP_A)->is_overdue);
}

/* All that were open have ended, whether it was told of them or not: nobody waits for it. */
static void nothing_open_is_nothing_overdue(void **state)
{
    struct acceptor acceptor;

    (void)state;
    one_app_serves(APP_A);
    serve_until_median_is(USUAL_NS);
    acceptor = connection_opens(TS_A);
    now_ns += NS_PER_S;
    DELIVER(TS_A, CONNECTION_CLOSED,
            (struct connection_closed){.closed = {closed_connection_of(&acceptor, PORT, 0)}});
    (void)connection_opens(TS_A);
    assert_false(application_of(APP_A)->is_overdue);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start_tournament, all_is_given_back)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(closes_of_connections_that_others_assigned_count_for_the_application),
        TEST(a_connection_that_was_never_available_tells_nothing),
        TEST(closes_for_an_application_of_another_cm_change_nothing),
        TEST(the_longest_service_times_are_cut),
        TEST(an_application_that_closes_nothing_becomes_slow),
        TEST(a_gap_that_was_longer_of_late_counts_as_usual),
        TEST(connections_then_go_to_another),
        TEST(a_close_in_usual_time_ends_it),
        TEST(a_close_that_took_long_shows_how_slow_it_is),
        TEST(a_long_way_to_the_client_is_no_sign_of_slowness),
        TEST(a_connection_that_lives_long_is_no_sign_of_slowness),
        TEST(nothing_open_is_nothing_overdue),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
