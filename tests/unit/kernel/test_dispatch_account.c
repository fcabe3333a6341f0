/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/dispatch_world.c */
/*
 * Tests what the dispatcher leaves behind: what it counts, how long it says that it was idle, and
 * that two nodes, or the same one twice, are served as the first was; also of those who die.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernel/message/dispatch.h"
#include "kernel/message/peers.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "tests/unit/world/dispatch_world.h"
#include "tests/unit/world/fake_platform.h"

static uint64_t counted(unsigned counter)
{
    return counter_read(NODE, counter);
}

static void do_nothing_asleep(void)
{
}

static void rounds_and_sleeps_are_counted(void **state)
{
    uint64_t rounds = counted(COUNTER_DISPATCH_ROUNDS), sleeps = counted(COUNTER_SLEEPS);

    (void)state;
    fake_on_sleep(do_nothing_asleep);
    for (unsigned i = 1; i <= 3; i++) {
        (void)dispatch_round();
        assert_int_equal(counted(COUNTER_DISPATCH_ROUNDS), rounds + i);
        dispatch_sleep();
        assert_int_equal(counted(COUNTER_SLEEPS), sleeps + i);
    }
    deliver_number(0, 1); /* it stays awake */
    dispatch_sleep();
    assert_int_equal(counted(COUNTER_SLEEPS), sleeps + 3);
    (void)dispatch_round();
}

static void sleep_two_milliseconds(void)
{
    uint64_t before_ns = counted(COUNTER_IDLE_NS);

    fake_advance_ns(2 * NS_PER_MS);
    assert_int_equal(counted(COUNTER_IDLE_NS), before_ns + 2 * NS_PER_MS);
}

/* A sleep counts while it goes on: a node that always sleeps would otherwise seem to work. */
static void idle_time_is_that_of_its_sleeps(void **state)
{
    uint64_t idle_ns = counted(COUNTER_IDLE_NS);

    (void)state;
    fake_on_sleep(sleep_two_milliseconds);
    for (unsigned i = 1; i <= 3; i++) {
        fake_advance_ns(NS_PER_MS); /* work */
        dispatch_sleep();
        assert_int_equal(counted(COUNTER_IDLE_NS), idle_ns + i * 2 * NS_PER_MS);
    }
    fake_on_sleep(NULL);
}

/* The first node and the last: neither's messages wait for the other's. */
static void what_was_posted_to_several_nodes_leaves_for_all_of_them(void **state)
{
    static const node_id_t nodes[] = {0, 2, 3};
    unsigned filled[3];

    (void)state;
    fake_on_sleep(do_nothing_asleep);
    for (unsigned turn = 0; turn < 2; turn++) {
        for (unsigned i = 0; i < ARRAY_COUNT(nodes); i++) {
            filled[i] = fill_channel(nodes[i]);
            post_number(nodes[i], 1000 + i);
            post_number(nodes[i], 2000 + i);
        }
        (void)dispatch_round();
        for (unsigned i = 0; i < ARRAY_COUNT(nodes); i++) {
            for (unsigned number = 0; number < filled[i]; number++) {
                expect_number(nodes[i], number);
            }
            fake_expect_no_message(nodes[i]);
        }
        (void)dispatch_round();
        for (unsigned i = 0; i < ARRAY_COUNT(nodes); i++) {
            expect_number(nodes[i], 1000 + i);
            expect_number(nodes[i], 2000 + i);
            fake_expect_no_message(nodes[i]);
        }
        /* Nobody waits any more: no reason to wake before something happens. */
        (void)dispatch_round();
        dispatch_sleep();
        assert_true(fake_last_sleep_deadline_ns() == UINT64_MAX);
    }
}

/* Once in each round that has sent something, not only in the first. */
static void a_node_that_sleeps_is_rung_in_every_round(void **state)
{
    static const node_id_t nodes[] = {0, 3};

    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(nodes); i++) {
        fake_status_page(nodes[i])->sleep = 1;
    }
    for (unsigned round = 1; round <= 3; round++) {
        for (unsigned i = 0; i < ARRAY_COUNT(nodes); i++) {
            assert_int_equal(send_number(nodes[i], round), 0);
            assert_int_equal(send_number(nodes[i], round), 0);
        }
        (void)dispatch_round();
        for (unsigned i = 0; i < ARRAY_COUNT(nodes); i++) {
            assert_int_equal(fake_doorbells(nodes[i]), round);
        }
        assert_int_equal(fake_doorbells(2), 0);
        (void)dispatch_round(); /* nothing was sent in it */
        assert_int_equal(fake_doorbells(0), round);
    }
    for (unsigned i = 0; i < ARRAY_COUNT(nodes); i++) {
        while (fake_take_message(nodes[i]) != NULL) {
        }
    }
}

static unsigned down_count;
static node_id_t last_down;

static void note_down(node_id_t node)
{
    down_count++;
    last_down = node;
}

/* It looks at one node now and then. The round that finds a death has worked: what those who are
 * told of it have done is flushed. */
static void a_node_that_never_sleeps_learns_of_each_nodes_death_in_a_round_that_counts(void **state)
{
    static const node_id_t nodes[] = {0, 2, 3};

    for (unsigned i = 0; i < ARRAY_COUNT(nodes); i++) {
        unsigned working_rounds = 0;

        (void)start_dispatcher(state);
        dispatch_register_node_down(note_down);
        down_count = 0;
        fake_status_page(nodes[i])->state = NODE_DEAD; /* without a word */
        for (unsigned round = 0; round < 1000; round++) {
            working_rounds += dispatch_round() != 0;
        }
        assert_int_equal(down_count, 1);
        assert_int_equal(last_down, nodes[i]);
        assert_int_equal(working_rounds, 1);
    }
}

static void of_a_dead_node_no_channel_is_awaited(void **state)
{
    (void)state;
    fake_close_ring(2);
    post_number(2, 1);
    (void)dispatch_round();
    assert_true(opening_is_awaited(2));
    fake_set_node_state(2, NODE_DEAD);
    dispatch_sleep();
    assert_false(opening_is_awaited(2));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start_dispatcher, finish_dispatcher)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(rounds_and_sleeps_are_counted),
        TEST(idle_time_is_that_of_its_sleeps),
        TEST(what_was_posted_to_several_nodes_leaves_for_all_of_them),
        TEST(a_node_that_sleeps_is_rung_in_every_round),
        TEST(a_node_that_never_sleeps_learns_of_each_nodes_death_in_a_round_that_counts),
        TEST(of_a_dead_node_no_channel_is_awaited),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
