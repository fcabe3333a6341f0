/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/dispatch_world.c */
/*
 * Tests kernel/message/watch.c: how often it looks at a node, and rings it each time, before it
 * gives that one up. test_watch.c has what it then does.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernel/message/dispatch.h"
#include "kernel/message/status.h"
#include "kernel/message/watch.h"
#include "kernel/platform.h"
#include "tests/unit/world/dispatch_world.h"
#include "tests/unit/world/fake_platform.h"

#define HUNG        2
#define INTERVAL_NS (WATCH_GIVE_UP_DEFAULT_MS * NS_PER_MS / 16)

static void sleep_on(void)
{
}

static int start(void **state)
{
    (void)start_dispatcher(state);
    fake_on_sleep(sleep_on);
    return 0;
}

/* One look, or a wake-up when nobody is watched. */
static void look_once(void)
{
    while (dispatch_round() != 0) {
    }
    dispatch_sleep();
    if (fake_last_sleep_deadline_ns() == UINT64_MAX) {
        fake_advance_ns(INTERVAL_NS);
    }
}

static unsigned rings_until_it_is_given_up(void)
{
    (void)dispatch_round(); /* what was sent rings, too */
    unsigned before = fake_doorbells(HUNG);

    for (unsigned looks = 0; fake_stops(HUNG) == 0; looks++) {
        assert_true(looks < 100);
        look_once();
    }
    return fake_doorbells(HUNG) - before;
}

/* Between the last look at which it lived and the one at which it is given up lies the whole time.
 */
#define LOOKS 17u

static void a_node_has_the_whole_time_from_its_first_message_on(void **state)
{
    (void)state;
    assert_int_equal(send_number(HUNG, 1), 0);
    assert_int_equal(rings_until_it_is_given_up(), LOOKS);
}

static void a_node_that_had_nothing_to_read_has_the_whole_time(void **state)
{
    (void)state;
    assert_int_equal(send_number(HUNG, 1), 0);
    expect_number(HUNG, 1);
    fake_expect_no_message(HUNG);
    for (unsigned i = 0; i < 20; i++) {
        look_once();
    }
    assert_int_equal(send_number(HUNG, 2), 0);
    assert_int_equal(rings_until_it_is_given_up(), LOOKS);
}

static void a_node_that_has_read_some_has_the_whole_time_again(void **state)
{
    (void)state;
    assert_true(fill_channel(HUNG) > 100);
    for (unsigned i = 0; i < 10; i++) {
        look_once();
    }
    for (unsigned i = 0; i < 100; i++) {
        assert_non_null(fake_take_message(HUNG));
    }
    look_once();
    assert_int_equal(rings_until_it_is_given_up(), LOOKS);
}

/* A node that was built again finds a ring that one that hangs has made for its life before. It was
 * said of that one that it works after all. */
static void a_channel_that_opens_is_no_sign_of_life(void **state)
{
    (void)state;
    node_set_add(&fake_status_page(3)->declared_dead, HUNG);
    fake_send_attention();
    dispatch_sleep();
    assert_int_equal(send_number(HUNG, 1), 0);
    assert_int_not_equal(fake_status_page(HUNG)->for_nodes[NODE].acknowledged_lines, 0);
    assert_int_equal(rings_until_it_is_given_up(), LOOKS);
    assert_int_equal(counter_read(NODE, COUNTER_DROP_FALSE_DEATH), 0);
}

#define TEST(name) cmocka_unit_test_setup(name, start)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_node_has_the_whole_time_from_its_first_message_on),
        TEST(a_node_that_had_nothing_to_read_has_the_whole_time),
        TEST(a_node_that_has_read_some_has_the_whole_time_again),
        TEST(a_channel_that_opens_is_no_sign_of_life),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
