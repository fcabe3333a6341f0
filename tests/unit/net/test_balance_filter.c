/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/balance_world.c */
/*
 * Tests net/manager/balance/offers.c: which offers pass the filter, and what the watermarks keep.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernel/platform.h"
#include "tests/unit/world/balance_world.h"

/* --- The filter --- */

static void filtered_keeps_all_while_no_offer_beats_its_own(void **state)
{
    (void)state;
    balance_by("filtered:2");
    own_application(2 * MS);
    own_application(20 * MS);
    for (node_id_t cm = 1; cm <= 100; cm++) {
        offer(cm, 1 * MS); /* with the tariff just as fast */
    }
    choose_many();
    assert_int_equal(all_offers, 0);
}

static void an_offer_passes_the_filter_if_it_is_faster_in_spite_of_the_tariff(void **state)
{
    static const char *const words[] = {"filtered:3", "tournament:3"};

    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(words); i++) {
        start_balance(state);
        balance_by(words[i]);
        own_application(3000);
        offer(1, 1000);
        assert_false(does_count(1));
        offer(1, 999);
        assert_true(does_count(1));
        offer(2, 1);
        assert_true(does_count(2));
        offer(3, SERVICE_MAX_NS);
        offer(4, UINT64_MAX);
        offer(5, 0);
        assert_false(does_count(3) || does_count(4) || does_count(5));
        assert_int_equal(listener->offers.known[4].service_ns, SERVICE_MAX_NS);
        assert_int_equal(listener->offers.counting_count, 2);
    }
}

static void filtered_is_one_round_over_those_that_passed(void **state)
{
    (void)state;
    balance_by("filtered:2");
    own_application(10 * MS);
    for (node_id_t cm = 1; cm <= 15; cm++) {
        offer(cm, cm <= 8 ? 2 * MS : 9 * MS);
    }
    choose_many();
    expect_share(all_own, own_share(1, 8 * 2.5));
    for (node_id_t cm = 9; cm <= 15; cm++) {
        assert_int_equal(chosen_offers[cm], 0);
    }
}

static void the_fastest_of_our_own_is_what_offers_are_measured_by(void **state)
{
    (void)state;
    balance_by("filtered:2");
    own_application(8 * MS);
    offer(1, 2 * MS);
    assert_true(does_count(1));
    own_application(3 * MS);
    assert_false(does_count(1));
    own_stops_accepting(1);
    assert_true(does_count(1));
    own_becomes(0, 3 * MS);
    assert_false(does_count(1));
    own_stops_accepting(0);
    assert_true(does_count(1)); /* all do while there is nobody */
}

/* Up to a sixteenth: else it would cost a look at each offer at each close. */
static void a_trembling_median_does_not_move_the_filter(void **state)
{
    (void)state;
    balance_by("filtered:2");
    own_application(160000);
    offer(1, 79000);
    offer(2, 81000);
    assert_true(does_count(1) && !does_count(2));
    own_becomes(0, 170000);
    assert_true(does_count(1) && !does_count(2));
    own_becomes(0, 150000);
    assert_true(does_count(1) && !does_count(2));
    own_becomes(0, 170001);
    assert_true(does_count(1) && does_count(2));
    own_becomes(0, 150001);
    assert_false(does_count(1) || does_count(2));
}

static void watermarks_keep_who_has_passed_until_he_is_slower_by_a_third(void **state)
{
    (void)state;
    balance_by("tournament:2");
    own_application(12000);
    offer(1, 6000);
    assert_false(does_count(1)); /* between the marks, and never below */
    offer(1, 7999);
    assert_false(does_count(1));
    offer(1, 5999);
    assert_true(does_count(1));
    offer(1, 6000);
    assert_true(does_count(1));
    offer(1, 8000);
    assert_true(does_count(1));
    offer(1, 8001);
    assert_false(does_count(1));
    offer(1, 6001);
    assert_false(does_count(1));
    /* The same when our own changes. */
    own_becomes(0, 24000);
    assert_true(does_count(1));
    own_becomes(0, 10000);
    assert_true(does_count(1));
    own_becomes(0, 9002);
    assert_true(does_count(1)); /* 6001 * 2 is not above 4/3 of it */
    own_becomes(0, 8000);
    assert_false(does_count(1));
    own_becomes(0, 12000);
    assert_false(does_count(1));
    /* Withdrawn, it begins anew. */
    offer(1, 5000);
    assert_true(does_count(1));
    balance_remove_offer(listener, 1);
    offer(1, 7000);
    assert_false(does_count(1));
}

static void without_watermarks_one_mark_is_for_both(void **state)
{
    (void)state;
    balance_by("filtered:2");
    own_application(12000);
    offer(1, 5999);
    assert_true(does_count(1));
    offer(1, 6000);
    assert_false(does_count(1));
}

/* While we had nobody, all counted: that is no passing of the filter. */
static void what_counted_for_want_of_an_acceptor_must_pass_the_filter(void **state)
{
    (void)state;
    balance_by("tournament:2");
    offer(1, 7000);
    assert_true(does_count(1));
    own_application(12000);
    assert_false(does_count(1));
}

#define TEST(name) cmocka_unit_test_setup(name, start_balance)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(filtered_keeps_all_while_no_offer_beats_its_own),
        TEST(an_offer_passes_the_filter_if_it_is_faster_in_spite_of_the_tariff),
        TEST(filtered_is_one_round_over_those_that_passed),
        TEST(the_fastest_of_our_own_is_what_offers_are_measured_by),
        TEST(a_trembling_median_does_not_move_the_filter),
        TEST(watermarks_keep_who_has_passed_until_he_is_slower_by_a_third),
        TEST(without_watermarks_one_mark_is_for_both),
        TEST(what_counted_for_want_of_an_acceptor_must_pass_the_filter),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
