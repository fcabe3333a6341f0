/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/balance_world.c */
/*
 * Tests net/manager/balance/: the words on the command line, weights and their trees.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/platform.h"
#include "tests/unit/world/balance_world.h"

/* --- Words --- */

static void schemes_are_understood(void **state)
{
    static const struct {
        const char *text, *printed;
        const struct balance_scheme *scheme;
    } words[] = {
        {"naive", "naive", &balance_naive},
        {"least", "least", &balance_least},
        {"unfiltered", "unfiltered:2", &balance_unfiltered},
        {"unfiltered:100", "unfiltered:100", &balance_unfiltered},
        {"filtered:1", "filtered:1", &balance_filtered},
        {"tournament:1000", "tournament:1000", &balance_tournament},
        {"sharp", "sharp:2", &balance_sharp},
        {"tournament:3 and more", "tournament:3", &balance_tournament},
    };
    char text[32];

    (void)state;
    balance_print(&balance, text, sizeof(text));
    assert_string_equal(text, "tournament:2");
    for (unsigned i = 0; i < ARRAY_COUNT(words); i++) {
        assert_int_equal(balance_parse(&balance, words[i].text, strcspn(words[i].text, " ")), 0);
        assert_ptr_equal(balance.scheme, words[i].scheme);
        balance_print(&balance, text, sizeof(text));
        assert_string_equal(text, words[i].printed);
    }
}

static void wrong_words_change_nothing(void **state)
{
    static const char *const words[] = {
        "",
        "n",
        "naiv",
        "naive:",
        "naive:2",
        "least:1",
        "unfiltered:",
        "unfiltered:0",
        "filtered:1001",
        "tournament:-1",
        "filtered:x",
        "filtered:2x",
        "tournament:2.5",
        "Tournament:2",
        "filtered:99999999999999999999",
    };

    (void)state;
    balance_by("filtered:7");
    for (unsigned i = 0; i < ARRAY_COUNT(words); i++) {
        assert_int_equal(balance_parse(&balance, words[i], strlen(words[i])), -EINVAL);
        assert_ptr_equal(balance.scheme, &balance_filtered);
        assert_int_equal(balance.tariff, 7);
    }
}

/* --- Weights --- */

static void who_is_twice_as_fast_weighs_twice_as_much(void **state)
{
    (void)state;
    assert_int_equal(weight_of(1), WEIGHT_OF_1_NS);
    for (uint64_t service_ns = 1; service_ns <= SERVICE_MAX_NS / 2; service_ns *= 2) {
        assert_int_equal(weight_of(service_ns), 2 * weight_of(2 * service_ns));
    }
    assert_true(weight_of(SERVICE_MAX_NS * TARIFF_MAX) > 0);
    /* All there can be, each as heavy as can be, add up. */
    assert_true(WEIGHT_OF_1_NS <= UINT64_MAX / (2 * 1024));
}

static void each_holds_as_many_points_as_it_weighs(void **state)
{
    static uint64_t sums[16];
    struct weight_tree tree = {.sums = sums, .leaf_count = weight_tree_leaves(5)};
    static const uint64_t weights[5] = {3, 0, 1, 5, 2};

    (void)state;
    assert_int_equal(tree.leaf_count, 8);
    assert_int_equal(weight_tree_bytes(5), sizeof(sums));
    memset(sums, 0, sizeof(sums));
    for (unsigned i = 0; i < 5; i++) {
        weight_tree_set(&tree, i, 9);
        weight_tree_set(&tree, i, weights[i]);
    }
    assert_int_equal(weight_tree_total(&tree), 11);
    for (uint64_t point = 0, i = 0, end = weights[0]; point < 11; point++) {
        while (point >= end) {
            end += weights[++i];
        }
        assert_int_equal(weight_tree_at(&tree, point), i);
    }
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(weight_tree_get(&tree, i), weights[i]);
        weight_tree_set(&tree, i, 0);
    }
    for (unsigned i = 0; i < ARRAY_COUNT(sums); i++) {
        assert_int_equal(sums[i], 0);
    }
}

static void trees_have_room_for_any_number(void **state)
{
    static uint64_t sums[2];
    struct weight_tree one = {.sums = sums, .leaf_count = weight_tree_leaves(1)};

    (void)state;
    assert_int_equal(one.leaf_count, 1);
    weight_tree_set(&one, 0, 5);
    assert_int_equal(weight_tree_total(&one), 5);
    assert_int_equal(weight_tree_at(&one, 4), 0);
    for (unsigned count = 1; count <= 1025; count++) {
        assert_true(weight_tree_leaves(count) >= count);
        assert_true(weight_tree_leaves(count) < 2 * count);
        assert_true(IS_POWER_OF_TWO(weight_tree_leaves(count)));
    }
}

static void draws_are_below_the_total_and_reach_all_of_it(void **state)
{
    uint64_t random = 1;
    unsigned seen[10] = {0};

    (void)state;
    for (unsigned i = 0; i < 10000; i++) {
        assert_int_equal(weight_draw(&random, 1), 0);
        assert_true(weight_draw(&random, UINT64_MAX) < UINT64_MAX);
        seen[weight_draw(&random, 10)]++;
    }
    for (unsigned i = 0; i < 10; i++) {
        assert_true(seen[i] > 800 && seen[i] < 1200);
    }
}

static void a_seed_of_zero_is_as_good_as_any(void **state)
{
    (void)state;
    balance_initialise(&balance, 0);
    assert_int_not_equal(weight_random(&balance.random), weight_random(&balance.random));
}

#define TEST(name) cmocka_unit_test_setup(name, start_balance)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(schemes_are_understood),
        TEST(wrong_words_change_nothing),
        TEST(who_is_twice_as_fast_weighs_twice_as_much),
        TEST(each_holds_as_many_points_as_it_weighs),
        TEST(trees_have_room_for_any_number),
        TEST(draws_are_below_the_total_and_reach_all_of_it),
        TEST(a_seed_of_zero_is_as_good_as_any),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
