/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/dispatch_world.c */
/*
 * Tests kernel/message/dispatch.c: what comes on both sides of the sleep flag, before the last
 * look.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/message/dispatch.h"
#include "kernel/platform.h"
#include "libc/core/timer.h"
#include "tests/unit/world/dispatch_world.h"
#include "tests/unit/world/fake_platform.h"

#define DEADLINE_NS 5000

static unsigned flush_count, armed_count, expired_count, death_count;
static struct timer timer;

static void note_flush(void *context)
{
    (void)context;
    flush_count++;
}

static bool note_arming(void *context)
{
    (void)context;
    armed_count++;
    return false;
}

static void note_expiry(struct timer *expired)
{
    (void)expired;
    expired_count++;
}

static void note_death(node_id_t node)
{
    assert_int_equal(node, 2);
    death_count++;
}

static struct dispatch_source source = {.flush = note_flush, .prepare_sleep = note_arming};

static int start(void **state)
{
    (void)start_dispatcher(state);
    flush_count = armed_count = expired_count = death_count = 0;
    dispatch_register_source(&source);
    dispatch_register_node_down(note_death);
    timer_initialise(&timer, note_expiry);
    assert_int_equal(timer_start(&timer, DEADLINE_NS), 0);
    (void)dispatch_round();
    return 0;
}

static int finish(void **state)
{
    timer_stop(&timer);
    return finish_dispatcher(state);
}

static void sleep_on(void)
{
}

static void message_comes(void)
{
    deliver_number(3, 1);
}

static void deadline_passes(void)
{
    fake_set_now_ns(DEADLINE_NS);
}

static void room_comes(void)
{
    while (fake_take_message(2) != NULL) {
    }
}

/* The node does not halt, and goes round as dispatch_run() does. */
static void assert_not_slept_on(void (*before)(void), void (*behind)(void))
{
    unsigned sleeps = fake_sleeps();

    fake_at_sleep_flag(before, behind);
    fake_on_sleep(sleep_on);
    dispatch_sleep();
    assert_int_equal(fake_sleeps(), sleeps);
    while (dispatch_round() != 0) {
    }
}

/* With the first one its channel opens, of which the sender tells it by an interrupt anyway. */
static void message_on_either_side_of_the_flag_is_not_slept_on(void **state)
{
    (void)state;
    assert_not_slept_on(message_comes, NULL);
    assert_int_equal(handled_count, 1);
    assert_not_slept_on(message_comes, NULL);
    assert_int_equal(handled_count, 2);
    assert_not_slept_on(NULL, message_comes);
    assert_int_equal(handled_count, 3);
}

static void no_source_is_armed_while_a_message_waits(void **state)
{
    (void)state;
    assert_not_slept_on(message_comes, NULL); /* its channel is open from now on */
    armed_count = 0;
    assert_not_slept_on(message_comes, NULL);
    assert_int_equal(armed_count, 0);
    assert_not_slept_on(deadline_passes, NULL);
    assert_int_equal(armed_count, 1);
}

static void deadline_before_the_flag_is_not_slept_on(void **state)
{
    (void)state;
    assert_not_slept_on(deadline_passes, NULL);
    assert_int_equal(expired_count, 1);
}

static void deadline_behind_the_flag_is_not_slept_on(void **state)
{
    (void)state;
    assert_not_slept_on(NULL, deadline_passes);
    assert_int_equal(expired_count, 1);
}

static void attention_before_the_flag_is_not_slept_on(void **state)
{
    (void)state;
    assert_not_slept_on(kill_node_2, NULL);
    assert_int_equal(death_count, 1);
}

static void attention_behind_the_flag_is_not_slept_on(void **state)
{
    (void)state;
    assert_not_slept_on(NULL, kill_node_2);
    assert_int_equal(death_count, 1);
}

/* Whoever made the room has looked at the flag, or not seen yet that this node waits for it. */
static void room_on_either_side_of_the_flag_is_not_slept_on(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        (void)fill_channel(2);
        post_number(2, 1);
        (void)dispatch_round();
        dispatch_sleep(); /* over at once: the time for a look at who takes nothing begins */
        (void)dispatch_round();
        unsigned flushes = flush_count;

        assert_not_slept_on(i == 0 ? room_comes : NULL, i == 0 ? NULL : room_comes);
        expect_number(2, 1); /* what waited was sent */
        assert_int_equal(flush_count, flushes + 1);
        (void)fake_take_message(2);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(message_on_either_side_of_the_flag_is_not_slept_on),
        TEST(no_source_is_armed_while_a_message_waits),
        TEST(deadline_before_the_flag_is_not_slept_on),
        TEST(deadline_behind_the_flag_is_not_slept_on),
        TEST(attention_before_the_flag_is_not_slept_on),
        TEST(attention_behind_the_flag_is_not_slept_on),
        TEST(room_on_either_side_of_the_flag_is_not_slept_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
