/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/dispatch_world.c */
/*
 * Tests kernel/message/watch.c and the bounds of send.c: nodes that hang, and how long this one
 * puts up with them.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/message/dispatch.h"
#include "kernel/message/status.h"
#include "kernel/message/watch.h"
#include "kernel/platform.h"
#include "tests/unit/world/dispatch_world.h"
#include "tests/unit/world/fake_platform.h"

#define TIMEOUT_NS (WATCH_TIMEOUT_DEFAULT_S * NS_PER_S)
#define HUNG       2
#define HUNG_BIT   (UINT64_C(1) << HUNG)

static unsigned down_count;
static node_id_t last_down;

static void note_down(node_id_t node)
{
    last_down = node;
    down_count++;
}

static void sleep_on(void)
{
}

static int start(void **state)
{
    (void)start_dispatcher(state);
    down_count = 0;
    dispatch_register_node_down(note_down);
    fake_on_sleep(sleep_on);
    return 0;
}

static int start_without_time_out(void **state)
{
    (void)start(state);
    fake_set_command_line("node_timeout=0");
    dispatch_initialise();
    dispatch_register_node_down(note_down);
    return 0;
}

/* As dispatch_run() does, for so long. */
static void run_for_ns(uint64_t duration_ns)
{
    uint64_t end_ns = platform_now_ns() + duration_ns;

    while (platform_now_ns() < end_ns) {
        while (dispatch_round() != 0) {
        }
        dispatch_sleep();
        if (fake_last_sleep_deadline_ns() == UINT64_MAX) {
            fake_advance_ns(TIMEOUT_NS / 16); /* something else wakes it */
        }
    }
}

static void node_that_takes_nothing_is_given_up_and_all_are_told(void **state)
{
    (void)state;
    assert_int_equal(send_number(HUNG, 1), 0);
    fake_status_page(HUNG)->sleep = NODE_SLEEPS; /* whatever it says */
    run_for_ns(TIMEOUT_NS * 9 / 10);
    assert_int_equal(fake_stops(HUNG), 0);
    assert_int_equal(fake_status_page(NODE)->declared_dead, 0);
    run_for_ns(TIMEOUT_NS / 4);
    assert_int_equal(fake_stops(HUNG), 1);
    assert_int_equal(fake_status_page(NODE)->declared_dead, HUNG_BIT);
    assert_int_equal(counter_read(NODE, COUNTER_NODES_GIVEN_UP), 1);
    assert_int_equal(fake_attentions(3), 1);
    assert_int_equal(down_count, 1);
    assert_int_equal(last_down, HUNG);
    assert_int_equal(status_node_state(HUNG), NODE_DEAD);
    assert_int_equal(send_number(HUNG, 1), -ENODEV);
    post_number(HUNG, 1);
    assert_int_equal(send_number(3, 1), 0);
}

static void node_that_takes_something_now_and_then_is_not(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 20; i++) {
        (void)fill_channel(HUNG);
        run_for_ns(TIMEOUT_NS * 9 / 10);
        for (unsigned taken = 0; taken < 100; taken++) {
            assert_non_null(fake_take_message(HUNG));
        }
    }
    assert_int_equal(fake_stops(HUNG), 0);
}

static void node_that_has_taken_everything_may_sleep_for_ever(void **state)
{
    (void)state;
    assert_int_equal(send_number(HUNG, 1), 0);
    expect_number(HUNG, 1);
    fake_expect_no_message(HUNG);
    run_for_ns(10 * TIMEOUT_NS);
    assert_int_equal(fake_stops(HUNG), 0);
    dispatch_sleep();
    assert_true(fake_last_sleep_deadline_ns() == UINT64_MAX); /* nor does it keep us awake */
}

static void node_that_still_starts_is_waited_for(void **state)
{
    (void)state;
    fake_set_node_state(HUNG, NODE_STARTING);
    assert_int_equal(send_number(HUNG, 1), 0);
    run_for_ns(10 * TIMEOUT_NS);
    assert_int_equal(fake_stops(HUNG), 0);
    fake_set_node_state(HUNG, NODE_RUNNING);
    run_for_ns(TIMEOUT_NS * 9 / 10);
    assert_int_equal(fake_stops(HUNG), 0);
    run_for_ns(TIMEOUT_NS / 4);
    assert_int_equal(fake_stops(HUNG), 1);
}

/* A machine that is paused, or a core that its host does not run. */
static void time_in_which_this_node_does_not_run_does_not_count(void **state)
{
    (void)state;
    assert_int_equal(send_number(HUNG, 1), 0);
    for (unsigned i = 0; i < 10; i++) {
        fake_advance_ns(100 * TIMEOUT_NS);
        (void)dispatch_round();
        dispatch_sleep();
    }
    assert_int_equal(fake_stops(HUNG), 0);
}

static void one_that_is_deaf_to_the_nmi_is_reset_once(void **state)
{
    (void)state;
    assert_int_equal(send_number(HUNG, 1), 0);
    run_for_ns(TIMEOUT_NS * 9 / 8);
    assert_int_equal(fake_stops(HUNG), 1);
    assert_int_equal(fake_resets(HUNG), 0);
    run_for_ns(TIMEOUT_NS);
    assert_int_equal(fake_resets(HUNG), 1);
    run_for_ns(5 * TIMEOUT_NS);
    assert_int_equal(fake_resets(HUNG), 1);
    assert_int_equal(fake_stops(HUNG), 1);
    assert_int_equal(down_count, 1);
}

static void one_that_dies_of_the_nmi_is_not_reset(void **state)
{
    (void)state;
    assert_int_equal(send_number(HUNG, 1), 0);
    run_for_ns(TIMEOUT_NS * 9 / 8);
    fake_set_node_state(HUNG, NODE_DEAD);
    run_for_ns(5 * TIMEOUT_NS);
    assert_int_equal(fake_resets(HUNG), 0);
    assert_int_equal(down_count, 1);
}

static void node_that_another_has_given_up_is_dead_for_all(void **state)
{
    (void)state;
    fake_status_page(0)->declared_dead = HUNG_BIT | UINT64_C(1) << 60;
    fake_send_attention();
    dispatch_sleep();
    assert_int_equal(down_count, 1);
    assert_int_equal(last_down, HUNG);
    assert_int_equal(status_node_state(HUNG), NODE_DEAD);
    assert_int_equal(status_node_state(0), NODE_RUNNING);
    assert_int_equal(send_number(HUNG, 1), -ENODEV);
    assert_int_equal(fake_stops(HUNG), 0); /* who has given it up does that */
}

static void node_that_finds_itself_given_up_stops(void **state)
{
    (void)state;
    fake_status_page(0)->declared_dead = UINT64_C(1) << NODE;
    fake_send_attention();
    expect_assert_failure(dispatch_sleep());
}

static void without_a_time_out_no_node_is_too_slow(void **state)
{
    (void)state;
    (void)fill_channel(HUNG);
    run_for_ns(10 * WATCH_TIMEOUT_MAX_S * NS_PER_S);
    assert_int_equal(fake_stops(HUNG), 0);
}

static void time_out_that_makes_no_sense_is_the_default(void **state)
{
    (void)state;
    fake_set_command_line("node_timeout=soon");
    dispatch_initialise();
    assert_int_equal(send_number(HUNG, 1), 0);
    run_for_ns(TIMEOUT_NS * 9 / 10);
    assert_int_equal(fake_stops(HUNG), 0);
    run_for_ns(TIMEOUT_NS / 4);
    assert_int_equal(fake_stops(HUNG), 1);
}

/* It was a panic of this node before. */
static void node_that_lets_too_many_messages_wait_is_given_up(void **state)
{
    unsigned count = 0;

    (void)state;
    (void)fill_channel(HUNG);
    (void)fill_channel(3);
    post_number(3, 1);
    while (fake_stops(HUNG) == 0) {
        post_number(HUNG, count++);
        assert_true(count <= 65537);
    }
    assert_int_equal(count, 65537);
    post_number(HUNG, 1); /* vanishes */
    dispatch_sleep();
    assert_int_equal(down_count, 1);
    while (fake_take_message(3) != NULL) {
    }
    assert_int_not_equal(dispatch_round(), 0); /* what waited for another one goes on */
    expect_number(3, 1);
}

/* Of two, the one for which most waits: it would not help to give up the other. */
static void without_memory_the_slowest_node_is_given_up_and_nothing_else_is_lost(void **state)
{
    unsigned count = 0;
    unsigned waiting_for_3 = 0;

    (void)state;
    (void)fill_channel(HUNG);
    unsigned in_channel = fill_channel(3);
    fake_fail_allocations_after(0);
    for (unsigned i = 0; i < 300; i++) {
        post_number(HUNG, i);
        count++;
    }
    while (fake_stops(HUNG) == 0) {
        post_number(3, in_channel + waiting_for_3++);
        assert_true(count + waiting_for_3 <= 513);
    }
    assert_int_equal(count + waiting_for_3, 513);
    assert_int_equal(fake_stops(3), 0);
    for (unsigned i = 0; i < in_channel + waiting_for_3; i++) {
        const struct number *message = (const struct number *)fake_take_message(3);

        if (message == NULL) {
            (void)dispatch_round();
            message = fake_expect_message(3, TYPE);
        }
        assert_int_equal(message->number, i);
    }
    fake_expect_no_message(3);
    /* And again: every block of the reserve has come back. */
    in_channel = fill_channel(3);
    for (unsigned i = 0; i < 512; i++) {
        post_number(3, i);
    }
    assert_int_equal(fake_stops(3), 0);
    post_number(3, 512);
    assert_int_equal(fake_stops(3), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(node_that_takes_nothing_is_given_up_and_all_are_told, start,
                                        finish_dispatcher),
        cmocka_unit_test_setup_teardown(node_that_takes_something_now_and_then_is_not, start,
                                        finish_dispatcher),
        cmocka_unit_test_setup_teardown(node_that_has_taken_everything_may_sleep_for_ever, start,
                                        finish_dispatcher),
        cmocka_unit_test_setup_teardown(node_that_still_starts_is_waited_for, start,
                                        finish_dispatcher),
        cmocka_unit_test_setup_teardown(time_in_which_this_node_does_not_run_does_not_count, start,
                                        finish_dispatcher),
        cmocka_unit_test_setup_teardown(one_that_is_deaf_to_the_nmi_is_reset_once, start,
                                        finish_dispatcher),
        cmocka_unit_test_setup_teardown(one_that_dies_of_the_nmi_is_not_reset, start,
                                        finish_dispatcher),
        cmocka_unit_test_setup_teardown(node_that_another_has_given_up_is_dead_for_all, start,
                                        finish_dispatcher),
        cmocka_unit_test_setup_teardown(node_that_finds_itself_given_up_stops, start,
                                        finish_dispatcher),
        cmocka_unit_test_setup_teardown(without_a_time_out_no_node_is_too_slow,
                                        start_without_time_out, finish_dispatcher),
        cmocka_unit_test_setup_teardown(time_out_that_makes_no_sense_is_the_default, start,
                                        finish_dispatcher),
        cmocka_unit_test_setup_teardown(node_that_lets_too_many_messages_wait_is_given_up, start,
                                        finish_dispatcher),
        cmocka_unit_test_setup_teardown(
            without_memory_the_slowest_node_is_given_up_and_nothing_else_is_lost, start,
            finish_dispatcher),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
