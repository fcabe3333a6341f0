/* SPDX-License-Identifier: MIT */
/* sources: apps/webswamp/schedule.c */
/*
 * Tests webswamp's schedule: which request is due when, in virtual time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "apps/webswamp/schedule.h"

#define S UINT64_C(1000000000)

static struct schedule schedule;

/* How many begin at that time; the last one's own is kept. */
static uint64_t intended_ns;

static uint64_t take_all(uint64_t now_ns)
{
    uint64_t count = 0, due_ns;

    while (schedule_take(&schedule, now_ns, &due_ns)) {
        intended_ns = due_ns;
        count++;
    }
    return count;
}

static void requests_at_a_rate_are_due_at_their_own_times(void **state)
{
    (void)state;
    schedule_start(&schedule, 5 * S, 2 * S, 0, 3);
    for (unsigned i = 0; i < 6; i++) {
        uint64_t due_ns = 5 * S + i * S / 3, taken_ns;

        assert_int_equal(schedule_next_ns(&schedule, 5 * S), due_ns);
        assert_false(schedule_take(&schedule, due_ns - 1, &taken_ns));
        assert_true(schedule_take(&schedule, due_ns, &taken_ns));
        assert_int_equal(taken_ns, due_ns);
    }
    assert_int_equal(schedule_next_ns(&schedule, 9 * S), SCHEDULE_NEVER);
    assert_int_equal(take_all(100 * S), 0);
}

/* The server has stopped: what was due meanwhile begins late, and keeps its times. */
static void who_comes_late_gets_all_that_was_due_with_the_times_at_which_it_was(void **state)
{
    uint64_t due_ns;

    (void)state;
    schedule_start(&schedule, 0, 10 * S, 0, 100);
    assert_int_equal(take_all(0), 1);
    for (unsigned i = 1; i <= 300; i++) {
        assert_true(schedule_take(&schedule, 3 * S, &due_ns));
        assert_int_equal(due_ns, i * S / 100);
    }
    assert_false(schedule_take(&schedule, 3 * S, &due_ns));
}

static void no_error_adds_up_at_a_rate_that_does_not_divide_a_second(void **state)
{
    (void)state;
    schedule_start(&schedule, 7, SCHEDULE_DURATION_MAX_S * S, 0, 999983);
    schedule.taken = UINT64_C(999983) * 80000;
    assert_int_equal(schedule_next_ns(&schedule, 0), 7 + 80000 * S);
    schedule.taken++;
    assert_int_equal(schedule_next_ns(&schedule, 0), 7 + 80000 * S + S / 999983);
}

static void the_fastest_rate_for_the_longest_time_has_a_last_request(void **state)
{
    (void)state;
    schedule_start(&schedule, 0, 0, SCHEDULE_COUNT_MAX, SCHEDULE_RATE_MAX);
    assert_int_equal(schedule_last_ns(&schedule), SCHEDULE_DURATION_MAX_S * S - 100);
    schedule.taken = SCHEDULE_COUNT_MAX - 1;
    assert_int_equal(take_all(UINT64_MAX - 1), 1);
    assert_int_equal(intended_ns, SCHEDULE_DURATION_MAX_S * S - 100);
}

static void as_many_as_the_rate_says_are_due_in_the_duration(void **state)
{
    (void)state;
    for (uint64_t rate = 1; rate < 5000; rate = rate * 3 + 1) {
        schedule_start(&schedule, 1, 3 * S, 0, rate);
        assert_int_equal(take_all(4 * S), 3 * rate);
    }
}

static void a_closed_loop_is_due_whenever_a_connection_is_free(void **state)
{
    uint64_t due_ns;

    (void)state;
    schedule_start(&schedule, S, 2 * S, 0, 0);
    for (uint64_t now_ns = S; now_ns < 3 * S; now_ns += S / 7) {
        assert_true(schedule_take(&schedule, now_ns, &due_ns));
        assert_int_equal(due_ns, now_ns);
    }
    assert_false(schedule_take(&schedule, 3 * S, &due_ns));
    assert_int_equal(schedule_last_ns(&schedule), 3 * S);
}

static void a_count_ends_it_and_so_does_time_if_it_comes_first(void **state)
{
    uint64_t due_ns;

    (void)state;
    schedule_start(&schedule, 0, 0, 3, 0);
    assert_int_equal(schedule_last_ns(&schedule), SCHEDULE_NEVER);
    assert_int_equal(take_all(S), 3);
    schedule_start(&schedule, 0, S, 3, 0);
    assert_true(schedule_take(&schedule, S - 1, &due_ns));
    assert_false(schedule_take(&schedule, S, &due_ns));
    schedule_start(&schedule, 0, S, 3, 100);
    assert_int_equal(schedule_last_ns(&schedule), 2 * S / 100);
    assert_int_equal(take_all(S), 3);
}

static void what_was_due_and_never_began_is_counted_when_it_is_given_up(void **state)
{
    (void)state;
    schedule_start(&schedule, 0, S, 0, 100);
    assert_int_equal(take_all(S / 10), 11);
    assert_int_equal(schedule_give_up(&schedule, 5 * S), 89);
    assert_int_equal(schedule_next_ns(&schedule, 5 * S), SCHEDULE_NEVER);
    assert_int_equal(schedule_give_up(&schedule, 5 * S), 0);
    schedule_start(&schedule, 0, S, 0, 0);
    assert_int_equal(schedule_give_up(&schedule, S / 2), 0); /* nothing was due at a time */
    assert_int_equal(schedule_next_ns(&schedule, S / 2), SCHEDULE_NEVER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_at_a_rate_are_due_at_their_own_times),
        cmocka_unit_test(who_comes_late_gets_all_that_was_due_with_the_times_at_which_it_was),
        cmocka_unit_test(no_error_adds_up_at_a_rate_that_does_not_divide_a_second),
        cmocka_unit_test(the_fastest_rate_for_the_longest_time_has_a_last_request),
        cmocka_unit_test(as_many_as_the_rate_says_are_due_in_the_duration),
        cmocka_unit_test(a_closed_loop_is_due_whenever_a_connection_is_free),
        cmocka_unit_test(a_count_ends_it_and_so_does_time_if_it_comes_first),
        cmocka_unit_test(what_was_due_and_never_began_is_counted_when_it_is_given_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
