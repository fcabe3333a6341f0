/* SPDX-License-Identifier: MIT */
/* sources: libc/core/timer.c kernel/message/status.c kernel/message/channel.c tests/unit/world/fake_platform.c */
/* sources: tests/unit/world/fake_memory.c */
/*
 * Tests libc/core/timer.c.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/platform.h"
#include "libc/core/timer.h"
#include "tests/unit/world/fake_platform.h"

#define TIMER_COUNT 2000 /* several times the heap's first room */

static struct timer timers[TIMER_COUNT];
static uint64_t last_deadline_ns;
static unsigned expired_count;

static void note_expired(struct timer *timer)
{
    assert_false(timer_is_set(timer));
    assert_true(timer->deadline.key >= last_deadline_ns);
    last_deadline_ns = timer->deadline.key;
    expired_count++;
}

static int set_up(void **state)
{
    (void)state;
    fake_platform_reset(0, 1);
    for (unsigned i = 0; i < TIMER_COUNT; i++) {
        timer_stop(&timers[i]);
        timer_initialise(&timers[i], note_expired);
    }
    last_deadline_ns = 0;
    expired_count = 0;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (unsigned i = 0; i < TIMER_COUNT; i++) {
        timer_stop(&timers[i]);
    }
    return 0;
}

static void without_timers_there_is_no_deadline(void **state)
{
    (void)state;
    assert_true(timer_next_deadline_ns() == UINT64_MAX);
    assert_int_equal(timer_run_expired(UINT64_MAX), 0);
    assert_false(timer_is_set(&timers[0]));
    timer_stop(&timers[0]);
}

static void timer_expires_at_its_deadline_and_not_before(void **state)
{
    (void)state;
    assert_int_equal(timer_start(&timers[0], 100), 0);
    assert_true(timer_is_set(&timers[0]));
    assert_int_equal(timer_next_deadline_ns(), 100);
    assert_int_equal(timer_run_expired(99), 0);
    assert_int_equal(timer_run_expired(100), 1);
    assert_int_equal(expired_count, 1);
    assert_false(timer_is_set(&timers[0]));
    assert_int_equal(timer_run_expired(200), 0);
}

static void stopped_timer_does_not_expire(void **state)
{
    (void)state;
    assert_int_equal(timer_start(&timers[0], 100), 0);
    assert_int_equal(timer_start(&timers[1], 50), 0);
    timer_stop(&timers[1]);
    assert_int_equal(timer_next_deadline_ns(), 100);
    timer_stop(&timers[0]);
    assert_int_equal(timer_run_expired(1000), 0);
}

static void started_again_it_moves(void **state)
{
    (void)state;
    assert_int_equal(timer_start(&timers[0], 100), 0);
    assert_int_equal(timer_start(&timers[1], 200), 0);
    assert_int_equal(timer_start(&timers[0], 300), 0);
    assert_int_equal(timer_next_deadline_ns(), 200);
    assert_int_equal(timer_start(&timers[0], 10), 0);
    assert_int_equal(timer_next_deadline_ns(), 10);
    assert_int_equal(timer_run_expired(1000), 2);
}

/* Deadlines in a scrambled order, with ties, a third of them stopped or moved again. */
static void many_timers_expire_in_order(void **state)
{
    (void)state;
    unsigned set_count = 0;

    for (unsigned i = 0; i < TIMER_COUNT; i++) {
        assert_int_equal(timer_start(&timers[i], platform_random() % 1000), 0);
    }
    for (unsigned i = 0; i < TIMER_COUNT; i++) {
        switch (platform_random() % 6) {
        case 0:
            timer_stop(&timers[i]);
            break;
        case 1:
            assert_int_equal(timer_start(&timers[i], platform_random() % 1000), 0);
            break;
        }
        set_count += timer_is_set(&timers[i]);
    }
    for (uint64_t now_ns = 0; now_ns < 1000; now_ns += 10) {
        (void)timer_run_expired(now_ns);
        assert_true(timer_next_deadline_ns() > now_ns);
    }
    (void)timer_run_expired(1000);
    assert_int_equal(expired_count, set_count);
    assert_true(timer_next_deadline_ns() == UINT64_MAX);
}

static uint64_t again_ns;

static void start_again(struct timer *timer)
{
    expired_count++;
    assert_int_equal(timer_start(timer, again_ns), 0);
}

/* A timer that restarts itself for now must neither hang the round nor starve the others. */
static void timer_started_for_the_past_or_for_now_expires_on_the_next_round(void **state)
{
    static const uint64_t deadlines_ns[] = {0, 99, 100};

    (void)state;
    timer_initialise(&timers[0], start_again);
    for (unsigned i = 0; i < ARRAY_COUNT(deadlines_ns); i++) {
        last_deadline_ns = 0;
        again_ns = deadlines_ns[i];
        assert_int_equal(timer_start(&timers[0], 5), 0);
        assert_int_equal(timer_start(&timers[1], 50), 0);
        assert_int_equal(timer_run_expired(100), 2);
        assert_true(timer_is_set(&timers[0]));
        assert_int_equal(timer_run_expired(101), 1);
    }
}

static void stop_neighbour(struct timer *timer)
{
    expired_count++;
    timer_stop(timer + 1);
}

static void handler_may_stop_a_timer_that_is_due(void **state)
{
    (void)state;
    timer_initialise(&timers[0], stop_neighbour);
    assert_int_equal(timer_start(&timers[0], 5), 0);
    assert_int_equal(timer_start(&timers[1], 6), 0);
    assert_int_equal(timer_run_expired(100), 1);
    assert_int_equal(expired_count, 1);
}

/* The heap of the process keeps its room between tests, so this one outgrows it. */
static void without_memory_a_timer_is_not_set(void **state)
{
    (void)state;
    static struct timer more[4 * TIMER_COUNT];
    unsigned set_count = 0;
    int error = 0;

    fake_fail_allocations_after(0);
    while (set_count < ARRAY_COUNT(more) && error == 0) {
        timer_initialise(&more[set_count], note_expired);
        error = timer_start(&more[set_count], 1000 - set_count % 7);
        set_count += error == 0;
    }
    assert_int_equal(error, -ENOMEM);
    assert_false(timer_is_set(&more[set_count]));
    /* Moving one that is set needs no memory. */
    assert_int_equal(timer_start(&more[0], 2000), 0);
    assert_int_equal(timer_run_expired(2000), set_count);
}

/* Those of a node's servers are: a flood that takes all memory must not stop their clocks. */
static void timers_initialised_in_time_can_all_be_started_without_memory(void **state)
{
    (void)state;
    static struct timer more[4 * TIMER_COUNT];

    for (unsigned i = 0; i < ARRAY_COUNT(more); i++) {
        timer_initialise(&more[i], note_expired);
    }
    fake_fail_allocations_after(0);
    struct timer late;
    while (timer_initialise(&late, note_expired), late.has_place) {
        /* what was left over is no part of the promise */
    }
    assert_int_equal(timer_start(&late, 5), -ENOMEM);
    for (unsigned i = 0; i < ARRAY_COUNT(more); i++) {
        assert_int_equal(timer_start(&more[i], i), 0);
    }
    assert_int_equal(timer_start(&late, 5), -ENOMEM);
    assert_int_equal(timer_run_expired(ARRAY_COUNT(more)), ARRAY_COUNT(more));
    fake_fail_allocations_after(-1);
    assert_int_equal(timer_start(&late, 5), 0);
    timer_stop(&late);
}

/* Or a timer that is started again and again would take memory each time. */
static void timer_keeps_its_place_however_often_it_is_started(void **state)
{
    (void)state;
    assert_int_equal(timer_start(&timers[0], 1), 0);
    fake_fail_allocations_after(0);
    for (unsigned i = 0; i < 100 * TIMER_COUNT; i++) {
        timer_stop(&timers[0]);
        assert_int_equal(timer_start(&timers[0], 1), 0);
    }
    fake_fail_allocations_after(-1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(without_timers_there_is_no_deadline, set_up, tear_down),
        cmocka_unit_test_setup_teardown(timer_expires_at_its_deadline_and_not_before, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(stopped_timer_does_not_expire, set_up, tear_down),
        cmocka_unit_test_setup_teardown(started_again_it_moves, set_up, tear_down),
        cmocka_unit_test_setup_teardown(many_timers_expire_in_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            timer_started_for_the_past_or_for_now_expires_on_the_next_round, set_up, tear_down),
        cmocka_unit_test_setup_teardown(handler_may_stop_a_timer_that_is_due, set_up, tear_down),
        cmocka_unit_test_setup_teardown(without_memory_a_timer_is_not_set, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            timers_initialised_in_time_can_all_be_started_without_memory, set_up, tear_down),
        cmocka_unit_test_setup_teardown(timer_keeps_its_place_however_often_it_is_started, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
