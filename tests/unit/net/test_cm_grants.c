/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/cm_world.c */
/*
 * Tests net/manager/manager.c: connections that an acceptor has claimed in advance.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/closed.h"
#include "tests/unit/world/cm_world.h"

static void app_grants(uint16_t request_number, bool is_renewal, uint8_t grant_count)
{
    DELIVER(APP_A, ACCEPT_CONNECTION,
            (struct accept_connection){.port = PORT,
                                       .listener_index = 7,
                                       .is_renewal = is_renewal,
                                       .request_number = request_number,
                                       .grant_count = grant_count});
}

/* On the list, with so many. */
static void one_app_grants(uint8_t grant_count)
{
    app_listens(APP_A, PORT, 8);
    app_grants(5, false, grant_count);
    other_cm_is_offered(APP_A);
}

/* That come now, until one that is not. */
static unsigned count_granted(void)
{
    unsigned count = 0;

    while (connection_opens(TS_A).grant) {
        count++;
    }
    return count;
}

static void so_many_connections_are_granted_and_no_more(void **state)
{
    (void)state;
    one_app_grants(3);
    assert_int_equal(count_granted(), 3);
    assert_int_equal(connection_opens(TS_B).grant, 0);
    /* A renewal is no news to other managers. */
    app_grants(5, true, 2);
    nothing_more_is_sent();
    assert_int_equal(count_granted(), 2);
}

static void a_renewal_adds_to_what_is_left_up_to_the_most(void **state)
{
    (void)state;
    one_app_grants(2);
    app_grants(5, true, 2);
    assert_int_equal(count_granted(), 4);
    app_grants(5, true, GRANT_MAX);
    app_grants(5, true, GRANT_MAX);
    assert_int_equal(count_granted(), GRANT_MAX);
}

static void another_request_begins_anew(void **state)
{
    (void)state;
    one_app_grants(GRANT_MAX);
    app_grants(6, false, 1);
    other_cm_is_offered(APP_A); /* with the new request's number */
    assert_int_equal(count_granted(), 1);
}

/* It was on its way when the place was lost: it must not put its application back on the list. */
static void a_renewal_of_a_place_that_is_lost_changes_nothing(void **state)
{
    struct acceptor acceptor;

    (void)state;
    one_app_grants(2);
    acceptor = connection_opens(TS_A);
    claim_times_out(TS_A, acceptor, 3);
    other_cm_is_offered(NODE_NONE);
    app_grants(5, true, 4);
    nothing_more_is_sent();
    assert_null(listener_at(PORT)->first_acceptor);
    app_grants(6, false, 1);
    other_cm_is_offered(APP_A);
    connection_is_reassigned(TS_A, 3, APP_A);
    assert_int_equal(count_granted(), 1); /* that one has not had it, see below */
    app_grants(5, true, 4);               /* of the earlier place */
    assert_int_equal(count_granted(), 0);
}

/* Who was told of it may have died of its request. The next one claims it before it acts on it, so
 * that it is the last. */
static void what_one_has_let_pass_is_not_granted_to_the_next(void **state)
{
    struct acceptor acceptor;

    (void)state;
    one_app_grants(8);
    acceptor = connection_opens(TS_A);
    assert_int_equal(acceptor.grant, GRANT_AT_ONCE);
    claim_times_out(TS_A, acceptor, 3);
    other_cm_is_offered(NODE_NONE);
    app_grants(6, false, 8);
    other_cm_is_offered(APP_A);
    connection_is_reassigned(TS_A, 3, APP_A);
    assert_int_equal(count_granted(), 8);
}

static void an_application_may_want_data_first(void **state)
{
    struct accept_connection request = {.port = PORT, .listener_index = 7, .grant_count = 1};

    (void)state;
    request.wants_data = 1;
    app_listens(APP_A, PORT, 8);
    DELIVER(APP_A, ACCEPT_CONNECTION, request);
    other_cm_is_offered(APP_A);
    assert_int_equal(connection_opens(TS_A).grant, GRANT_WITH_DATA);
    assert_int_equal(connection_opens(TS_A).grant, GRANT_NONE);
}

/* Its application was never told of it, as in a flood of SYNs. */
static void a_handshake_that_fails_gives_its_grant_back(void **state)
{
    struct acceptor acceptor;
    struct connection_closed message = {.closed = {{0}}};

    (void)state;
    one_app_grants(1);
    acceptor = connection_opens(TS_A);
    assert_int_equal(acceptor.grant, GRANT_AT_ONCE);
    message.closed[0] = closed_connection_of(&acceptor, PORT, 0);
    DELIVER(TS_A, CONNECTION_CLOSED, message);
    acceptor = connection_opens(TS_A);
    assert_int_equal(acceptor.grant, GRANT_AT_ONCE);
    /* One that it was told of is used up. */
    connection_closes(TS_A, acceptor);
    assert_int_equal(count_granted(), 0);
}

/* Only the own manager counts them. */
static void what_another_manager_assigns_is_not_granted(void **state)
{
    struct acceptor acceptor = {
        .node = APP_OF_OTHER, .listener_index = 7, .grant = GRANT_AT_ONCE, .cm = OTHER_CM};

    (void)state;
    one_app_grants(4);
    for (unsigned i = 0; i < sent_count; i++) {
        assert_true(sent[i].header.type != OFFER || sent[i].offer.acceptor.grant == 0);
    }
    app_stops_listening(APP_A, PORT);
    other_cm_is_offered(NODE_NONE);
    DELIVER(OTHER_CM, OFFER, (struct offer){.acceptor = acceptor, .port = PORT});
    acceptor = connection_opens(TS_A);
    assert_int_equal(acceptor.node, APP_OF_OTHER);
    assert_int_equal(acceptor.grant, 0);
}

static void more_than_the_most_is_refused(void **state)
{
    (void)state;
    app_listens(APP_A, PORT, 8);
    app_grants(5, false, GRANT_MAX + 1);
    app_grants(5, false, UINT8_MAX);
    nothing_more_is_sent();
    assert_int_equal(counters[COUNTER_DROP_BAD_MESSAGE], 2);
    assert_null(listener_at(PORT)->first_acceptor);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start_anew, all_is_given_back)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(so_many_connections_are_granted_and_no_more),
        TEST(a_renewal_adds_to_what_is_left_up_to_the_most),
        TEST(another_request_begins_anew),
        TEST(a_renewal_of_a_place_that_is_lost_changes_nothing),
        TEST(what_one_has_let_pass_is_not_granted_to_the_next),
        TEST(an_application_may_want_data_first),
        TEST(a_handshake_that_fails_gives_its_grant_back),
        TEST(what_another_manager_assigns_is_not_granted),
        TEST(more_than_the_most_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
