/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/cm_world.c */
/*
 * Tests net/manager/offering.c and figures.c: when a manager tells the others of a service time,
 * and what it makes of what they say.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/manager/counters.h"
#include "net/manager/figures.h"
#include "net/manager/offering.h"
#include "tests/unit/world/cm_world.h"

#define US        NS_PER_US
#define PERIOD_NS (50 * US)

/* --- News --- */

static void a_newcomer_is_offered_without_a_service_time(void **state)
{
    (void)state;
    app_listens(APP_A, PORT, 8);
    app_accepts(APP_A, PORT);
    app_is_offered_in(APP_A, 0);
    nothing_more_is_sent();
    assert_int_equal(wake_ns, UINT64_MAX);
}

static void the_first_service_time_is_news(void **state)
{
    (void)state;
    one_app_serves(APP_A);
    now_ns += PERIOD_NS;
    serve_one(USUAL_NS);
    app_is_offered_in(APP_A, USUAL_NS);
    nothing_more_is_sent();
    assert_int_equal(wake_ns, UINT64_MAX);
    assert_int_equal(counters[COUNTER_OFFERED_SERVICE_NS], USUAL_NS);
}

/* Also if it is just what the application was taken to need, from what others offer. */
static void the_first_service_time_is_news_even_if_it_was_guessed(void **state)
{
    (void)state;
    other_cm_offers_in(APP_OF_OTHER, USUAL_NS);
    one_app_serves(APP_A);
    now_ns += PERIOD_NS;
    serve_one(USUAL_NS);
    app_is_offered_in(APP_A, USUAL_NS);
}

/* Exactly: up to an eighth it is none, in both directions. */
static void a_service_time_that_differs_by_more_than_an_eighth_is_news(void **state)
{
    static const uint64_t times[] = {90000, 70000, 90001, 78751, 101251, 101252, 88596, 88595};
    static const bool are_news[] = {false, false, true, false, false, true, false, true};
    struct listener *listener;

    (void)state;
    one_app_serves(APP_A);
    serve_until_median_is(USUAL_NS);
    listener = listener_at(PORT);
    listener->published_ns = 80000;
    for (unsigned i = 0; i < 8; i++) {
        now_ns += PERIOD_NS;
        listener_set_service(listener, application_of(APP_A), times[i]);
        offering_publish(&manager, listener);
        if (are_news[i]) {
            app_is_offered_in(APP_A, times[i]);
        }
        nothing_more_is_sent();
    }
}

/* Connections that come and go in equal time: the machine is busy, and nobody is told a thing. */
static void without_news_nothing_is_sent_and_nothing_waits(void **state)
{
    (void)state;
    one_app_serves(APP_A);
    serve_until_median_is(USUAL_NS);
    for (unsigned i = 0; i < 1000; i++) {
        serve_one(USUAL_NS);
        assert_int_equal(wake_ns, UINT64_MAX);
    }
    see_only_assignments();
}

static void news_that_comes_within_the_period_waits_for_its_end(void **state)
{
    (void)state;
    one_app_serves(APP_A);
    uint64_t offered_ns = now_ns;

    serve_one(19968);
    nothing_more_is_sent();
    assert_int_equal(wake_ns, offered_ns + PERIOD_NS);
    wake();
    app_is_offered_in(APP_A, 19968);
    /* Too early: it is asked for again. */
    app_listens(APP_B, PORT, 8);
    app_accepts(APP_A, PORT);
    nothing_more_is_sent();
    DELIVER(APP_A, ACCEPT_CONNECTION,
            (struct accept_connection){.port = PORT, .listener_index = 7, .request_number = 5});
    nothing_more_is_sent();
    wake_ns = UINT64_MAX;
    now_ns--;
    manager_send_offers(&manager);
    nothing_more_is_sent();
    assert_int_not_equal(wake_ns, UINT64_MAX);
    wake();
    assert_int_equal(next_sent(OTHER_CM, OFFER)->offer.acceptor.request_number, 5);
    nothing_more_is_sent();
    manager_send_offers(&manager);
    nothing_more_is_sent();
}

/* The period bounds what is sent, however often the news changes. */
static void there_is_one_offer_in_a_period_at_most(void **state)
{
    uint64_t begin_ns;

    (void)state;
    one_app_serves(APP_A);
    begin_ns = now_ns;
    counters[COUNTER_OFFERS_SENT] = 0;
    for (uint16_t i = 1; i <= 1000; i++) {
        DELIVER(APP_A, ACCEPT_CONNECTION,
                (struct accept_connection){.port = PORT, .listener_index = 7, .request_number = i});
        now_ns += US;
        if (wake_ns <= now_ns) {
            wake();
        }
    }
    assert_int_equal(counters[COUNTER_OFFERS_SENT], (now_ns - begin_ns) / PERIOD_NS);
}

/* Two ports: what waits for one does not put off what waits for the other. */
static void the_manager_is_woken_for_what_is_due_first(void **state)
{
    struct accept_connection again = {.listener_index = 7, .request_number = 5};
    uint64_t first_ns;

    (void)state;
    one_app_serves(APP_A);
    first_ns = now_ns + PERIOD_NS;
    now_ns += 30 * US;
    app_listens(APP_B, PORT + 1, 8);
    app_accepts(APP_B, PORT + 1);
    see_all();
    again.port = PORT;
    deliver(APP_A, &again.header, ACCEPT_CONNECTION, sizeof(again));
    assert_int_equal(wake_ns, first_ns);
    again.port = PORT + 1;
    deliver(APP_B, &again.header, ACCEPT_CONNECTION, sizeof(again));
    assert_int_equal(wake_ns, first_ns);
    wake();
    assert_int_equal(next_sent(OTHER_CM, OFFER)->offer.port, PORT);
    nothing_more_is_sent();
    assert_int_equal(wake_ns, first_ns + 30 * US);
    wake();
    assert_int_equal(next_sent(OTHER_CM, OFFER)->offer.port, PORT + 1);
    assert_int_equal(wake_ns, UINT64_MAX);
}

static void news_that_is_none_any_more_is_not_sent(void **state)
{
    (void)state;
    one_app_serves(APP_A);
    DELIVER(APP_A, ACCEPT_CONNECTION,
            (struct accept_connection){.port = PORT, .listener_index = 7, .request_number = 5});
    assert_true(listener_at(PORT)->is_offer_due);
    app_accepts(APP_A, PORT); /* with the number that the others know */
    assert_false(listener_at(PORT)->is_offer_due);
    wake();
    nothing_more_is_sent();
    assert_int_equal(wake_ns, UINT64_MAX);
}

static void a_withdrawal_does_not_wait(void **state)
{
    (void)state;
    one_app_serves(APP_A);
    app_stops_listening(APP_A, PORT);
    other_cm_is_offered(NODE_NONE);
    one_app_serves(APP_A); /* the port begins anew */
    claim_times_out(TS_A, connection_opens(TS_A), 1);
    other_cm_is_offered(NODE_NONE);
    /* But the next offer does. */
    app_accepts(APP_A, PORT);
    assert_int_not_equal(wake_ns, UINT64_MAX);
    wake();
}

static void offers_go_to_those_that_live(void **state)
{
    (void)state;
    node_dies(OTHER_CM);
    app_listens(APP_A, PORT, 8);
    app_accepts(APP_A, PORT);
    nothing_more_is_sent();
    assert_int_equal(counters[COUNTER_OFFERS_SENT], 0);
}

static void offers_are_counted_with_their_time(void **state)
{
    (void)state;
    clock_step_ns = 100; /* each look at the exact time */
    one_app_serves(APP_A);
    assert_int_equal(counters[COUNTER_OFFERS_SENT], 1);
    assert_int_equal(counters[COUNTER_OFFER_NS], 100);
    other_cm_offers_in(APP_OF_OTHER, 5);
    other_cm_offers_in(APP_OF_OTHER, 0);
    assert_int_equal(counters[COUNTER_OFFERS_RECEIVED], 2);
    assert_int_equal(counters[COUNTER_OFFERS_KNOWN], 1);
    assert_int_equal(counters[COUNTER_OFFER_NS], 300);
    other_cm_offers_in(NODE_NONE, 0);
    assert_int_equal(counters[COUNTER_OFFERS_KNOWN], 0);
}

/* Without weights service times do not matter, and are no news. */
static void by_the_fewest_open_no_service_time_is_sent(void **state)
{
    (void)state;
    assert_int_equal(start_balanced_by(state, "balance=least"), 0);
    one_app_serves(APP_A);
    for (unsigned i = 0; i < 100; i++) {
        now_ns += NS_PER_MS;
        serve_one((i + 1) * 100 * US);
    }
    see_only_assignments();
    assert_int_equal(listener_at(PORT)->published_ns, 0);
    assert_int_not_equal(service_history_median_ns(application_of(APP_A)->history), 0);
}

/* --- Hostile offers --- */

static void offers_of_any_service_time_are_taken_without_harm(void **state)
{
    static const uint64_t times[] = {0, 1, SERVICE_MAX_NS, SERVICE_MAX_NS + 1, UINT64_MAX};

    (void)state;
    for (unsigned i = 0; i < 5; i++) {
        other_cm_offers_in(APP_OF_OTHER, times[i]);
        assert_int_equal(connection_opens(TS_A).node, APP_OF_OTHER);
    }
    one_app_serves(APP_A);
    for (unsigned i = 0; i < 5; i++) {
        other_cm_offers_in(APP_OF_OTHER, times[i]);
        (void)connection_opens(TS_A);
    }
    assert_int_equal(counters[COUNTER_DROP_BAD_MESSAGE], 0);
}

static void offers_that_cannot_be_are_refused(void **state)
{
    static struct offer wrong[] = {
        {.acceptor = {.node = APP_OF_OTHER, .cm = OTHER_CM}, .port = 0},
        {.acceptor = {.node = OUR_CM, .cm = OTHER_CM}, .port = PORT},
        {.acceptor = {.node = NODE_COUNT, .cm = OTHER_CM}, .port = PORT},
        {.acceptor = {.node = NODE_NONE - 1, .cm = OTHER_CM}, .port = PORT},
        {.acceptor = {.node = APP_OF_OTHER, .cm = OUR_CM}, .port = PORT},
        {.acceptor = {.node = NODE_NONE, .cm = NODE_NONE}, .port = PORT},
    };

    (void)state;
    for (unsigned i = 0; i < 6; i++) {
        DELIVER(OTHER_CM, OFFER, wrong[i]);
        assert_int_equal(counters[COUNTER_DROP_BAD_MESSAGE], i + 1);
    }
    DELIVER(OUR_CM, OFFER, (struct offer){.acceptor = {.node = APP_A, .cm = OUR_CM}, .port = PORT});
    assert_int_equal(counters[COUNTER_DROP_BAD_MESSAGE], 7);
    assert_int_equal(counters[COUNTER_OFFERS_RECEIVED], 0);
    assert_null(listener_at(PORT));
}

/* --- Figures --- */

static void figures_tell_of_our_own_applications_and_of_offers(void **state)
{
    struct manager_cursor cursor = {0};
    struct manager_application figures;
    struct manager_offer offer;

    (void)state;
    assert_false(manager_next_application(&manager, &cursor, &figures));
    app_listens(APP_OF_OTHER, PORT, 8); /* not our own */
    one_app_serves(APP_A);
    app_listens(APP_B, PORT + 1, 8);
    app_accepts(APP_B, PORT + 1);
    see_all();
    serve_one(164);
    (void)connection_opens(TS_A);
    other_cm_offers_in(APP_OF_OTHER, 70);

    cursor = (struct manager_cursor){0};
    assert_true(manager_next_application(&manager, &cursor, &figures));
    assert_int_equal(figures.port, PORT);
    assert_int_equal(figures.node, APP_A);
    assert_int_equal(figures.listener_index, 7);
    assert_int_equal(figures.median_ns, 164);
    assert_int_equal(figures.service_ns, 164);
    assert_int_equal(figures.sample_count, 1);
    assert_int_equal(figures.open_count, 1);
    assert_int_equal(figures.assigned_count, 2);
    assert_true(figures.is_accepting && figures.is_offered && !figures.is_overdue);
    assert_true(manager_next_application(&manager, &cursor, &figures));
    assert_int_equal(figures.port, PORT + 1);
    assert_int_equal(figures.node, APP_B);
    assert_int_equal(figures.median_ns, 0);
    assert_false(manager_next_application(&manager, &cursor, &figures));

    cursor = (struct manager_cursor){0};
    assert_true(manager_next_offer(&manager, &cursor, &offer));
    assert_int_equal(offer.port, PORT);
    assert_int_equal(offer.cm, OTHER_CM);
    assert_int_equal(offer.node, APP_OF_OTHER);
    assert_int_equal(offer.service_ns, 70);
    assert_true(offer.counts);
    assert_false(manager_next_offer(&manager, &cursor, &offer));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start_tournament, all_is_given_back)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_newcomer_is_offered_without_a_service_time),
        TEST(the_first_service_time_is_news),
        TEST(the_first_service_time_is_news_even_if_it_was_guessed),
        TEST(a_service_time_that_differs_by_more_than_an_eighth_is_news),
        TEST(without_news_nothing_is_sent_and_nothing_waits),
        TEST(news_that_comes_within_the_period_waits_for_its_end),
        TEST(there_is_one_offer_in_a_period_at_most),
        TEST(the_manager_is_woken_for_what_is_due_first),
        TEST(news_that_is_none_any_more_is_not_sent),
        TEST(a_withdrawal_does_not_wait),
        TEST(offers_go_to_those_that_live),
        TEST(offers_are_counted_with_their_time),
        TEST(by_the_fewest_open_no_service_time_is_sent),
        TEST(offers_of_any_service_time_are_taken_without_harm),
        TEST(offers_that_cannot_be_are_refused),
        TEST(figures_tell_of_our_own_applications_and_of_offers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
