/* SPDX-License-Identifier: MIT */
/* sources: net/transport/tcp/round_trip.c net/transport/tcp/rto_option.c tests/unit/world/kept_log.c */
/* sources: tests/unit/world/panic.c */
/*
 * Tests net/transport/tcp/round_trip.c and rto_option.c.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "kernel/platform.h"
#include "net/transport/tcp/round_trip.h"
#include "net/transport/tcp/rto_option.h"
#include "net/transport/tcp/tcb.h"
#include "tests/unit/world/kept_log.h"

static const char *command_line = "";

const char *platform_command_line(void)
{
    return command_line;
}

static struct tcb open_tcb(const char *line, uint32_t round_trip_us, bool is_repeated)
{
    struct tcb tcb = {0};

    command_line = line;
    round_trip_initialise();
    round_trip_open(&tcb, round_trip_us, is_repeated);
    return tcb;
}

static void before_a_measurement_it_is_one_second_and_three_after_a_repeated_handshake(void **state)
{
    (void)state;
    assert_int_equal(open_tcb("", 0, false).rto_us, 1000000);
    assert_int_equal(open_tcb("", 0, true).rto_us, 3000000);
    assert_int_equal(open_tcb("", 0, false).min_rtt_us, 0);
}

/* RFC 6298 2.2: SRTT = R, RTTVAR = R/2, so RTO = 3 R. */
static void the_first_measurement_is_trusted_to_its_half(void **state)
{
    struct tcb tcb = open_tcb("", 100000, false);

    (void)state;
    assert_int_equal(tcb.rto_us, 300000);
    assert_int_equal(tcb.min_rtt_us, 100000);
    tcb = open_tcb("", 1, false);
    assert_int_equal(tcb.rto_us, RTO_MIN_DEFAULT_MS * 1000);
    assert_int_equal(tcb.srtt_us8, 8);
}

/* RFC 6298 2.3 in real numbers. */
static void later_ones_are_averaged_as_the_standard_has_it(void **state)
{
    struct tcb tcb = open_tcb("rto-min=10", 80000, false);
    double srtt = 80000, variation = 40000;

    (void)state;
    srand(1);
    for (int i = 0; i < 10000; i++) {
        uint32_t sample_us = 20000 + (uint32_t)rand() % 200000;

        variation += (fabs(srtt - sample_us) - variation) / 4;
        srtt += (sample_us - srtt) / 8;
        round_trip_measure(&tcb, sample_us);
        assert_true(fabs(tcb.srtt_us8 / 8.0 - srtt) < 8);
        assert_true(fabs(tcb.rttvar_us4 / 4.0 - variation) < 8);
        assert_true(fabs(tcb.rto_us - (srtt + 4 * variation)) < 40);
    }
    assert_true(tcb.min_rtt_us >= 20000 && tcb.min_rtt_us < 20500);
}

static void a_steady_round_trip_ends_at_the_floor_or_a_tick_above_itself(void **state)
{
    struct tcb tcb = open_tcb("", 50000, false);

    (void)state;
    for (int i = 0; i < 200; i++) {
        round_trip_measure(&tcb, 50000);
    }
    assert_int_equal(tcb.rto_us, 200000);
    tcb = open_tcb("", 700000, false);
    for (int i = 0; i < 200; i++) {
        round_trip_measure(&tcb, 700000);
    }
    assert_int_equal(tcb.rto_us, 700000 + ROUND_TRIP_TICK_US);
}

static void it_is_doubled_to_a_minute_until_something_is_measured(void **state)
{
    struct tcb tcb = open_tcb("", 100000, false);

    (void)state;
    for (uint32_t expected_us = 300000; expected_us < ROUND_TRIP_MAX_US; expected_us *= 2) {
        assert_int_equal(tcb.rto_us, expected_us);
        round_trip_back_off(&tcb);
    }
    for (int i = 0; i < 300; i++) {
        round_trip_back_off(&tcb);
        assert_int_equal(tcb.rto_us, ROUND_TRIP_MAX_US);
    }
    assert_true(tcb.backoff_count > 0);
    round_trip_measure(&tcb, 100000);
    assert_int_equal(tcb.backoff_count, 0);
    assert_true(tcb.rto_us <= 300000);
}

static void what_took_hours_counts_as_a_minute(void **state)
{
    struct tcb tcb = open_tcb("", UINT32_MAX, false);

    (void)state;
    assert_int_equal(tcb.rto_us, ROUND_TRIP_MAX_US);
    assert_int_equal(tcb.srtt_us8 / 8, ROUND_TRIP_MAX_US);
    for (int i = 0; i < 1000; i++) {
        round_trip_measure(&tcb, i % 2 == 0 ? 1 : UINT32_MAX);
        assert_true(tcb.rto_us <= ROUND_TRIP_MAX_US && tcb.srtt_us8 >= 8);
    }
}

static void nothing_takes_no_time(void **state)
{
    (void)state;
    assert_int_equal(round_trip_between(5, 5), 1);
    assert_int_equal(round_trip_between(5, 6), 1);
    assert_int_equal(round_trip_between(UINT32_MAX, 1), 2);
}

static void the_floor_is_a_word_of_the_command_line(void **state)
{
    (void)state;
    kept_log_clear();
    assert_int_equal(rto_option_min_us(""), 200000);
    assert_int_equal(rto_option_min_us("rto-min=10"), 10000);
    assert_int_equal(rto_option_min_us("a=b rto-min=1000 -- rto-min=3"), 1000000);
    assert_int_equal(rto_option_min_us("rto-min=10000"), 10000000);
    assert_string_equal(kept_log(), "");
    assert_int_equal(open_tcb("rto-min=1000", 100000, false).rto_us, 1000000);
}

static void what_is_no_such_number_is_logged_and_the_default_used(void **state)
{
    static const char *const lines[] = {"rto-min=",   "rto-min=0",     "rto-min=9",
                                        "rto-min=-1", "rto-min=10001", "rto-min=200ms"};

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(lines); i++) {
        kept_log_clear();
        assert_int_equal(rto_option_min_us(lines[i]), 200000);
        assert_true(is_logged("rto-min= is not a number of milliseconds from 10 to 10000"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            before_a_measurement_it_is_one_second_and_three_after_a_repeated_handshake),
        cmocka_unit_test(the_first_measurement_is_trusted_to_its_half),
        cmocka_unit_test(later_ones_are_averaged_as_the_standard_has_it),
        cmocka_unit_test(a_steady_round_trip_ends_at_the_floor_or_a_tick_above_itself),
        cmocka_unit_test(it_is_doubled_to_a_minute_until_something_is_measured),
        cmocka_unit_test(what_took_hours_counts_as_a_minute),
        cmocka_unit_test(nothing_takes_no_time),
        cmocka_unit_test(the_floor_is_a_word_of_the_command_line),
        cmocka_unit_test(what_is_no_such_number_is_logged_and_the_default_used),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
