/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/balance_world.c */
/*
 * Tests net/manager/balance/: who is drawn how often under each scheme.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "kernel/platform.h"
#include "tests/unit/world/balance_world.h"

/* --- Our own acceptors --- */

static void own_acceptors_are_drawn_by_their_inverse_service_times(void **state)
{
    static const char *const words[] = {"naive", "unfiltered:2", "filtered:2", "tournament:2"};

    (void)state;
    own_application(1 * MS);
    own_application(2 * MS);
    own_application(5 * MS);
    for (unsigned i = 0; i < ARRAY_COUNT(words); i++) {
        balance_by(words[i]);
        choose_many();
        expect_share(chosen_own[0], 10.0 / 17);
        expect_share(chosen_own[1], 5.0 / 17);
        expect_share(chosen_own[2], 2.0 / 17);
    }
}

/* From sixteen times as slow on: so that its recovery is seen. Not while what it has open would
 * show that. */
static void a_slow_acceptor_is_sampled_unless_it_is_overdue(void **state)
{
    (void)state;
    own_application(1000);
    own_application(16000);
    choose_many();
    expect_share(chosen_own[1], 1.0 / 17);
    own_becomes(1, 17000);
    choose_many();
    expect_share(chosen_own[1], 1.0 / BALANCE_SAMPLE_SHARE / 2 + 1.0 / 18);
    own_becomes(1, SERVICE_MAX_NS);
    choose_many();
    expect_share(chosen_own[1], 1.0 / BALANCE_SAMPLE_SHARE / 2);
    assert_true(chosen_own[1] > 100);
    own[1]->is_overdue = true;
    choose_many();
    assert_int_equal(chosen_own[1], 0);
}

static void the_same_of_one_acceptor_against_offers(void **state)
{
    static const char *const words[] = {"unfiltered:2", "filtered:2", "tournament:2"};

    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(words); i++) {
        start_balance(state);
        balance_by(words[i]);
        own_application(SERVICE_MAX_NS);
        offer(1, 1000);
        choose_many();
        expect_share(all_own, 1.0 / BALANCE_SAMPLE_SHARE);
        assert_true(all_own > 200);
        own[0]->is_overdue = true;
        choose_many();
        assert_true(all_own <= 1);
    }
}

/* Sums that are kept as acceptors come, go and change are those of the acceptors that are there. */
static void the_acceptors_sums_follow_any_change(void **state)
{
    uint64_t random = 5;

    (void)state;
    for (unsigned i = 0; i < OWN_MAX; i++) {
        own_application((i + 1) * MS);
    }
    for (unsigned turn = 0; turn < 5000; turn++) {
        struct listening_application *changed = own[weight_draw(&random, OWN_MAX)];
        const struct listening_application *fastest = NULL;
        uint64_t weight = 0;
        unsigned count = 0;

        switch (weight_draw(&random, 4)) {
        case 0:
            listener_remove_acceptor(listener, changed);
            break;
        case 1:
            listener_add_acceptor(listener, changed);
            break;
        default:
            listener_set_service(listener, changed, weight_draw(&random, 20) + 1);
            break;
        }
        for (const struct listening_application *at = listener->first_acceptor; at != NULL;
             at = at->next_acceptor) {
            weight += at->weight;
            count++;
            if (fastest == NULL || at->service_ns < fastest->service_ns) {
                fastest = at;
            }
        }
        assert_int_equal(listener->own_weight, weight);
        assert_int_equal(listener->acceptor_count, count);
        assert_int_equal(listener->fastest == NULL, fastest == NULL);
        if (fastest != NULL) {
            assert_true(listener->fastest->is_accepting);
            assert_int_equal(listener->fastest->service_ns, fastest->service_ns);
        }
    }
}

/* --- Naive --- */

static void naive_takes_no_offer_while_it_has_an_application(void **state)
{
    (void)state;
    balance_by("naive");
    offer(1, 1000);
    own_application(1000 * MS);
    choose_many();
    assert_int_equal(all_own, DRAWS);
    own_stops_accepting(0);
    assert_false(balance_is_anybody_ready(&balance, listener));
    struct choice choice = balance_choose(&balance, listener);

    assert_null(choice.application);
    assert_int_equal(choice.offering_cm, NODE_NONE);
    listener_remove_application(&table, listener, own[0]);
    balance_settle(&balance, listener);
    assert_true(balance_is_anybody_ready(&balance, listener));
    assert_int_equal(balance_choose(&balance, listener).offering_cm, 1);
}

/* --- Without applications of our own --- */

static void without_acceptors_offers_are_drawn_by_their_inverse_service_times(void **state)
{
    static const char *const words[] = {"naive", "unfiltered:2", "filtered:2", "tournament:2"};

    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(words); i++) {
        start_balance(state);
        balance_by(words[i]);
        assert_false(balance_is_anybody_ready(&balance, listener));
        assert_int_equal(balance_choose(&balance, listener).offering_cm, NODE_NONE);
        offer(0, 1 * MS);
        offer(9, 3 * MS);
        offer(255, 6 * MS);
        assert_true(balance_is_anybody_ready(&balance, listener));
        choose_many();
        assert_int_equal(all_own, 0);
        expect_share(chosen_offers[0], 6.0 / 9);
        expect_share(chosen_offers[9], 2.0 / 9);
        expect_share(chosen_offers[255], 1.0 / 9);
        balance_remove_offer(listener, 0);
        balance_remove_offer(listener, 0);
        choose_many();
        assert_int_equal(chosen_offers[0], 0);
        expect_share(chosen_offers[9], 2.0 / 3);
        balance_remove_offer(listener, 9);
        balance_remove_offer(listener, 255);
        assert_int_equal(offers_weight(&listener->offers), 0);
        assert_int_equal(balance_choose(&balance, listener).offering_cm, NODE_NONE);
    }
}

/* They get as much as the others do on average. */
static void offers_of_unknown_service_time_have_their_turn(void **state)
{
    (void)state;
    offer(1, 0);
    assert_int_equal(balance_choose(&balance, listener).offering_cm, 1);
    balance_remove_offer(listener, 1);
    offer(2, 3 * MS);
    offer(3, 3 * MS);
    offer(1, 0);
    choose_many();
    expect_share(chosen_offers[1], 1.0 / 3);
    /* But never against our own. */
    own_application(50 * MS);
    assert_false(does_count(1));
    assert_true(does_count(2));
}

/* --- One round --- */

static void unfiltered_loses_what_is_its_own_as_offers_grow(void **state)
{
    (void)state;
    balance_by("unfiltered:2");
    own_application(1 * MS);
    for (node_id_t cm = 1; cm <= 63; cm++) {
        offer(cm, 1 * MS);
        if (IS_POWER_OF_TWO(cm + 1)) {
            choose_many();
            expect_share(all_own, own_share(1, cm / 2.0));
        }
    }
}

static void the_tariff_makes_offers_dearer(void **state)
{
    static const unsigned tariffs[] = {1, 2, 10, 100};
    char word[32];

    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(tariffs); i++) {
        start_balance(state);
        snprintf(word, sizeof(word), "unfiltered:%u", tariffs[i]);
        balance_by(word);
        own_application(1 * MS);
        offer(1, 1 * MS);
        choose_many();
        expect_share(all_own, own_share(1, 1.0 / tariffs[i]));
    }
}

/* --- The tournament --- */

/* Winner against winner: as with one offer, however many there are. */
static void a_tournament_keeps_its_own_share_as_offers_grow(void **state)
{
    (void)state;
    own_application(10 * MS);
    for (node_id_t cm = 1; cm <= 127; cm++) {
        offer(cm, 4 * MS);
        if (IS_POWER_OF_TWO(cm + 1)) {
            choose_many();
            expect_share(all_own, own_share(1, 10 / 8.0));
            expect_share(chosen_offers[cm], (1 - own_share(1, 10 / 8.0)) / cm);
        }
    }
}

/* 10 against 8 are 64 to 100. */
static void a_sharp_tournaments_last_round_is_by_squares(void **state)
{
    (void)state;
    balance_by("sharp:2");
    own_application(10 * MS);
    for (node_id_t cm = 1; cm <= 15; cm++) {
        offer(cm, 4 * MS);
    }
    choose_many();
    expect_share(all_own, 64.0 / 164);
    own_becomes(0, 80 * MS);
    choose_many();
    expect_share(all_own, 1.0 / 101);
    own_becomes(0, SERVICE_MAX_NS);
    choose_many();
    expect_share(all_own, 1.0 / BALANCE_SAMPLE_SHARE);
}

static void in_a_tournament_those_that_are_as_fast_keep_to_themselves(void **state)
{
    (void)state;
    own_application(1 * MS);
    for (node_id_t cm = 1; cm <= 15; cm++) {
        offer(cm, MS * 2 / 3);
    }
    choose_many();
    assert_int_equal(all_offers, 0);
}

static void the_second_round_is_by_weight_among_offers(void **state)
{
    (void)state;
    own_application(100 * MS);
    offer(1, 1 * MS);
    offer(2, 4 * MS);
    choose_many();
    assert_true(chosen_offers[1] > 3 * chosen_offers[2]);
    assert_true(chosen_offers[1] < 5 * chosen_offers[2]);
}

/* --- What we offer, and newcomers --- */

static void the_fastest_is_offered_and_stays_so_while_it_is_about_as_fast(void **state)
{
    (void)state;
    assert_null(balance.scheme->best(listener));
    own_application(9000);
    own_application(8000);
    assert_ptr_equal(balance.scheme->best(listener), own[1]);
    listener->offered = own[0];
    assert_ptr_equal(balance.scheme->best(listener), own[0]);
    own_becomes(0, 9001);
    assert_ptr_equal(balance.scheme->best(listener), own[1]);
    own_becomes(0, 8500);
    own_stops_accepting(0);
    assert_ptr_equal(balance.scheme->best(listener), own[1]);
    own_stops_accepting(1);
    assert_null(balance.scheme->best(listener));
    /* Its place in the table may be another's soon. */
    listener_remove_application(&table, listener, own[0]);
    assert_null(listener->offered);
}

static void a_newcomer_is_taken_for_the_fastest_that_is_known(void **state)
{
    (void)state;
    assert_int_equal(balance_newcomers_service_ns(listener), SERVICE_GUESS_NS);
    offer(1, 0);
    assert_int_equal(balance_newcomers_service_ns(listener), SERVICE_GUESS_NS);
    offer(2, 70000);
    offer(3, 90000);
    assert_int_equal(balance_newcomers_service_ns(listener), 70000);
    own_application(80000);
    assert_int_equal(balance_newcomers_service_ns(listener), 70000);
    own_application(60000);
    assert_int_equal(balance_newcomers_service_ns(listener), 60000);
}

#define TEST(name) cmocka_unit_test_setup(name, start_balance)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(own_acceptors_are_drawn_by_their_inverse_service_times),
        TEST(a_slow_acceptor_is_sampled_unless_it_is_overdue),
        TEST(the_same_of_one_acceptor_against_offers),
        TEST(the_acceptors_sums_follow_any_change),
        TEST(naive_takes_no_offer_while_it_has_an_application),
        TEST(without_acceptors_offers_are_drawn_by_their_inverse_service_times),
        TEST(offers_of_unknown_service_time_have_their_turn),
        TEST(unfiltered_loses_what_is_its_own_as_offers_grow),
        TEST(the_tariff_makes_offers_dearer),
        TEST(a_tournament_keeps_its_own_share_as_offers_grow),
        TEST(a_sharp_tournaments_last_round_is_by_squares),
        TEST(in_a_tournament_those_that_are_as_fast_keep_to_themselves),
        TEST(the_second_round_is_by_weight_among_offers),
        TEST(the_fastest_is_offered_and_stays_so_while_it_is_about_as_fast),
        TEST(a_newcomer_is_taken_for_the_fastest_that_is_known),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
