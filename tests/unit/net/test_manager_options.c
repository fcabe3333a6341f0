/* SPDX-License-Identifier: MIT */
/* sources: net/manager/options.c libc/core/command_line.c libc/core/format.c */
/* sources: tests/unit/world/balance_world.c */
/*
 * Tests net/manager/options.c: what the command line says of connection managers.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/platform.h"
#include "net/manager/manager.h"
#include "net/manager/options.h"

static struct manager_options options;
static char reason[256];

static int parse(const char *line)
{
    memset(&options, 0xAA, sizeof(options));
    reason[0] = '\0';
    return manager_options_parse(&options, line, 7, reason, sizeof(reason));
}

static void without_words_it_is_the_papers_choice(void **state)
{
    (void)state;
    assert_int_equal(parse("net=dhcp -- balance=naive offer-period=1ms"), 0);
    assert_ptr_equal(options.balance.scheme, &balance_tournament);
    assert_int_equal(options.balance.tariff, 2);
    assert_int_equal(options.balance.random, 7);
    assert_int_equal(options.offer_period_ns, 50 * NS_PER_US);
}

static void scheme_and_tariff_are_taken(void **state)
{
    (void)state;
    assert_int_equal(parse("balance=unfiltered:100 net=dhcp"), 0);
    assert_ptr_equal(options.balance.scheme, &balance_unfiltered);
    assert_int_equal(options.balance.tariff, 100);
}

static void periods_have_units(void **state)
{
    static const struct {
        const char *line;
        uint64_t period_us;
    } lines[] = {
        {"offer-period=1", 1},
        {"offer-period=75us", 75},
        {"offer-period=2ms", 2000},
        {"offer-period=1us", 1},
        {"offer-period=1000000", 1000000},
        {"offer-period=1000ms", 1000000},
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(lines); i++) {
        assert_int_equal(parse(lines[i].line), 0);
        assert_int_equal(options.offer_period_ns, lines[i].period_us * NS_PER_US);
    }
}

static void wrong_periods_are_reported_and_not_used(void **state)
{
    static const char *const lines[] = {
        "offer-period=",        "offer-period=0",
        "offer-period=0ms",     "offer-period=us",
        "offer-period=1000001", "offer-period=2s",
        "offer-period=-1",      "offer-period=1001ms",
        "offer-period=1.5ms",   "offer-period=99999999999999999999us",
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(lines); i++) {
        assert_int_equal(parse(lines[i]), -EINVAL);
        assert_memory_equal(reason, lines[i], strlen(lines[i]));
        assert_non_null(strstr(reason, "is not 1us to 1000ms; it is 50us"));
        assert_int_equal(options.offer_period_ns, 50 * NS_PER_US);
    }
}

static void a_wrong_scheme_is_reported_and_not_used(void **state)
{
    (void)state;
    assert_int_equal(parse("balance=tournament:0 offer-period=60us"), -EINVAL);
    assert_string_equal(reason,
                        "balance=tournament:0 is not naive, unfiltered:T, filtered:T, "
                        "tournament:T, sharp:T or least, T from 1 to 1000; it is tournament:2");
    assert_ptr_equal(options.balance.scheme, &balance_tournament);
    assert_int_equal(options.balance.tariff, 2);
    assert_int_equal(options.offer_period_ns, 60 * NS_PER_US);
}

static void two_wrong_words_are_both_reported(void **state)
{
    (void)state;
    assert_int_equal(parse("balance=fair offer-period=never"), -EINVAL);
    assert_memory_equal(reason, "balance=fair is not", 19);
    assert_non_null(strstr(reason, "; offer-period=never is not"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_words_it_is_the_papers_choice),
        cmocka_unit_test(scheme_and_tariff_are_taken),
        cmocka_unit_test(periods_have_units),
        cmocka_unit_test(wrong_periods_are_reported_and_not_used),
        cmocka_unit_test(a_wrong_scheme_is_reported_and_not_used),
        cmocka_unit_test(two_wrong_words_are_both_reported),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
