/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/cm_world.c */
/*
 * Tests net/manager/manager.c with net/manager/balance/least.c: what one manager does with
 * the offers of others. test_managers_together.c runs several.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/world/cm_world.h"

/* --- Other CMs --- */

static void offers_are_sent_only_when_they_change(void **state)
{
    (void)state;
    both_apps_serve();
    nothing_more_is_sent();
    app_stops_listening(APP_B, PORT);
    nothing_more_is_sent();
    app_stops_listening(APP_A, PORT);
    other_cm_is_offered(NODE_NONE);
    nothing_more_is_sent();
}

static void without_an_acceptor_of_our_own_an_offer_is_taken(void **state)
{
    struct acceptor acceptor;

    (void)state;
    app_listens(APP_OF_OTHER, PORT, 8);
    other_cm_offers(APP_OF_OTHER);
    acceptor = connection_opens(TS_A);
    assert_int_equal(acceptor.node, APP_OF_OTHER);
    assert_int_equal(acceptor.listener_index, 7);
    assert_int_equal(acceptor.cm, OTHER_CM);
    assert_int_equal(acceptor.assigned_by, OUR_CM);
    assert_int_equal(counters[COUNTER_CM_ASSIGNED_REMOTE], 1);
    assert_int_equal(counters[COUNTER_CM_ASSIGNED], 0);
    one_app_serves(APP_A);
    assert_int_equal(connection_opens(TS_A).node, APP_A);
}

static void an_offer_ends_the_wait(void **state)
{
    (void)state;
    app_listens(APP_A, PORT, 8);
    claim_times_out(TS_B, nobody, 5);
    nothing_more_is_sent();
    other_cm_offers(APP_OF_OTHER);
    connection_is_reassigned(TS_B, 5, APP_OF_OTHER);
}

/* The other manager had sent it before it saw the death; its withdrawal may never come. */
static void an_offer_that_comes_after_its_applications_death_is_not_kept(void **state)
{
    (void)state;
    app_listens(APP_A, PORT, 8);
    node_dies(APP_OF_OTHER);
    other_cm_offers(APP_OF_OTHER);
    assert_int_equal(connection_opens(TS_A).node, NODE_NONE);
    assert_int_equal(counters[COUNTER_DROP_BAD_MESSAGE], 0);
}

static void a_withdrawn_offer_is_not_taken(void **state)
{
    (void)state;
    app_listens(APP_OF_OTHER, PORT, 8);
    other_cm_offers(APP_OF_OTHER);
    other_cm_offers(NODE_NONE);
    assert_int_equal(connection_opens(TS_A).node, NODE_NONE);
}

/* LISTEN and OFFER come by different channels. */
static void an_offer_may_overtake_the_applications_listen(void **state)
{
    (void)state;
    other_cm_offers(APP_OF_OTHER);
    assert_int_equal(connection_opens(TS_A).node, APP_OF_OTHER);
    other_cm_offers(NODE_NONE);
    assert_null(listener_at(PORT));
    other_cm_offers(NODE_NONE);
    assert_null(listener_at(PORT));
    assert_int_equal(counters[COUNTER_DROP_BAD_MESSAGE], 0);
}

/* What another CM assigned to our application was never counted here. */
static void a_close_of_a_connection_that_another_cm_assigned_is_not_counted(void **state)
{
    const struct acceptor acceptor = {
        .node = APP_A, .listener_index = 7, .cm = OUR_CM, .assigned_by = OTHER_CM};

    (void)state;
    one_app_serves(APP_A);
    (void)connection_opens(TS_A);
    connection_closes(TS_A, acceptor);
    assert_int_equal(listener_at(PORT)->applications->outstanding, 1);
    /* But a claim that did not come says as much as any. */
    claim_times_out(TS_A, acceptor, 1);
    other_cm_is_offered(NODE_NONE);
    assert_int_equal(listener_at(PORT)->applications->outstanding, 1);
    assert_null(listener_at(PORT)->first_acceptor);
}

static void offers_of_several_managers_take_turns(void **state)
{
    char reason[64];
    static const node_id_t order[] = {1, 2, 3, 1};

    (void)state;
    assert_int_equal(configuration_parse(&configuration, "pika=TS4LS4CM4 app=httpd:4", 8, reason,
                                         sizeof(reason)),
                     0);
    for (node_id_t cm = 1; cm < 4; cm++) {
        DELIVER(cm, OFFER,
                (struct offer){.acceptor = {.node = (node_id_t)(4 + cm), .cm = cm}, .port = PORT});
    }
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(connection_opens(TS_A).cm, order[i]);
    }
    for (node_id_t cm = 1; cm < 4; cm++) {
        node_dies(cm);
    }
    assert_null(listener_at(PORT));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start_anew, all_is_given_back)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(offers_are_sent_only_when_they_change),
        TEST(without_an_acceptor_of_our_own_an_offer_is_taken),
        TEST(an_offer_ends_the_wait),
        TEST(an_offer_that_comes_after_its_applications_death_is_not_kept),
        TEST(a_withdrawn_offer_is_not_taken),
        TEST(an_offer_may_overtake_the_applications_listen),
        TEST(a_close_of_a_connection_that_another_cm_assigned_is_not_counted),
        TEST(offers_of_several_managers_take_turns),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
