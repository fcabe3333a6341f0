/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/dispatch_world.c tests/unit/world/fake_return.c */
/*
 * Tests what a node does when another one dies and is built again (kernel/message/dispatch.h): it
 * lets go of the old one, and takes up the new one as a peer of which it knows nothing.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/log.h"
#include "kernel/message/channel.h"
#include "kernel/message/dispatch.h"
#include "kernel/message/peers.h"
#include "kernel/message/status.h"
#include "kernel/message/watch.h"
#include "kernel/platform.h"
#include "tests/unit/world/dispatch_world.h"
#include "tests/unit/world/fake_platform.h"
#include "tests/unit/world/fake_return.h"

#define INTERVAL_NS (100 * NS_PER_MS) /* as boot leaves between two starts */

static unsigned down_count, up_count;
static uint32_t released_in_node_down;
static enum node_state state_in_node_up;
static bool is_held_in_node_down;

static uint32_t released(node_id_t node)
{
    return fake_status_page(NODE)->for_nodes[node].released;
}

static void note_down(node_id_t node)
{
    assert_int_equal(node, 2);
    assert_int_equal(down_count, up_count);
    down_count++;
    released_in_node_down = released(node);
    if (is_held_in_node_down) {
        dispatch_hold_node(node);
    }
}

static void note_up(node_id_t node)
{
    assert_int_equal(node, 2);
    up_count++;
    assert_int_equal(down_count, up_count);
    state_in_node_up = status_node_state(node);
}

static void run(void)
{
    while (dispatch_round() != 0) {
    }
    dispatch_sleep();
    while (dispatch_round() != 0) {
    }
}

static void sleep_on(void)
{
}

static int begin(void **state)
{
    (void)start_dispatcher(state);
    fake_on_sleep(sleep_on);
    for (node_id_t node = 0; node < 4; node++) {
        fake_status_page(node)->incarnation = 1;
    }
    dispatch_initialise();
    dispatch_register_message(TYPE, sizeof(struct number), note_message);
    dispatch_register_node_down(note_down);
    dispatch_register_node_up(note_up);
    down_count = up_count = 0;
    is_held_in_node_down = false;
    return 0;
}

/* As boot does: another incarnation of node 2 runs, and its memory is new. */
static void die_and_come_back(void)
{
    kill_node_2();
    run();
    fake_advance_ns(INTERVAL_NS);
    fake_build_again(2);
    run();
}

static void a_death_and_a_return_are_told_once_each(void **state)
{
    (void)state;
    kill_node_2();
    run();
    run();
    assert_int_equal(down_count, 1);
    assert_int_equal(up_count, 0);
    fake_build_again(2);
    run();
    run();
    assert_int_equal(up_count, 1);
    assert_int_equal(state_in_node_up, NODE_RUNNING);
    fake_advance_ns(INTERVAL_NS);
    die_and_come_back();
    assert_int_equal(up_count, 2);
}

/* What it does before it runs is nobody's affair. */
static void a_node_that_is_not_back_yet_stays_dead(void **state)
{
    (void)state;
    kill_node_2();
    run();
    fake_build_again(2);
    fake_set_node_state(2, NODE_STARTING);
    run();
    assert_int_equal(up_count, 0);
    assert_int_equal(status_node_state(2), NODE_DEAD);
    assert_int_equal(send_number(2, 1), -ENODEV);
    fake_set_node_state(2, NODE_RUNNING);
    fake_send_attention();
    run();
    assert_int_equal(up_count, 1);
}

/* Nor is one that says without another number that it runs. */
static void the_same_incarnation_does_not_come_back(void **state)
{
    (void)state;
    kill_node_2();
    run();
    fake_set_node_state(2, NODE_RUNNING);
    fake_send_attention();
    run();
    assert_int_equal(up_count, 0);
    assert_int_equal(status_node_state(2), NODE_DEAD);
    fake_set_node_state(2, NODE_DEAD);
}

static void another_incarnation_is_a_death_also_if_nobody_saw_it(void **state)
{
    (void)state;
    assert_int_equal(send_number(2, 1), 0);
    assert_true(fake_is_attached(2));
    fake_status_page(2)->incarnation = 2;
    fake_send_attention();
    run();
    assert_int_equal(down_count, 1);
    assert_int_equal(up_count, 1);
    assert_false(fake_is_attached(2));
}

static void a_number_that_changes_all_the_time_costs_no_more_than_now_and_then(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 10000; i++) {
        fake_status_page(2)->incarnation++;
        fake_send_attention();
        fake_advance_ns(NS_PER_MS);
        run();
    }
    assert_in_range(up_count, 2, 10000 / 50 + 1);
    fake_advance_ns(INTERVAL_NS);
    fake_send_attention();
    run();
    assert_int_equal(up_count, down_count);
}

/* --- Channels --- */

static void channels_of_the_next_incarnation_are_new(void **state)
{
    (void)state;
    assert_int_equal(send_number(2, 1), 0);
    run();
    deliver_number(2, 2);
    run();
    assert_int_equal(handled_count, 1);
    deliver_number(2, 3); /* not read any more */
    deliver_number(2, 4);
    uint64_t ring = fake_status_page(NODE)->for_nodes[2].channel_ring;

    kill_node_2();
    dispatch_sleep();
    assert_int_equal(fake_status_page(NODE)->for_nodes[2].channel_ring, 0);
    fake_advance_ns(INTERVAL_NS);
    fake_build_again(2);
    run();
    handled_count = 0;
    assert_int_equal(send_number(2, 5), 0);
    run();
    expect_number(2, 5);
    fake_expect_no_message(2);
    deliver_number(2, 6);
    run();
    assert_int_equal(handled_count, 1);
    assert_int_equal(handled[0].number, 6);
    /* In the memory that the old one has left: what is said to be dead might still write there. */
    assert_int_equal(fake_status_page(NODE)->for_nodes[2].channel_ring, ring);
}

/* However it has left the ring: here with the number of a message in every line. */
static void nothing_left_in_a_ring_passes_for_a_message(void **state)
{
    size_t bytes;

    (void)state;
    deliver_number(2, 1);
    run();
    uint8_t *ring = fake_ring(2, &bytes);
    uint32_t lines = (uint32_t)(bytes / CHANNEL_LINE_BYTES);
    uint32_t first = channel_first_line(2, NODE);

    for (uint32_t line = first; line != first + lines; line++) {
        struct message_header *header = (void *)(ring + line % lines * CHANNEL_LINE_BYTES);

        *header = (struct message_header){.type = TYPE,
                                          .length_bytes = sizeof(struct number),
                                          .sequence = channel_sequence(line)};
    }
    kill_node_2();
    run();
    fake_advance_ns(INTERVAL_NS);
    fake_build_again(2);
    run();
    handled_count = 0;
    for (uint32_t i = 0; i < 2 * lines; i++) {
        deliver_number(2, i);
        run();
        assert_int_equal(handled_count, 1);
        assert_int_equal(handled[0].number, i);
        handled_count = 0;
    }
}

static void many_lives_of_a_node_take_no_more_memory_than_one(void **state)
{
    unsigned ring_count = 0;

    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        handled_count = 0;
        assert_int_equal(send_number(2, i), 0);
        deliver_number(2, i);
        post_number(2, i);
        run();
        assert_int_equal(handled_count, 1);
        assert_int_equal(counter_read(NODE, COUNTER_CHANNELS_OPEN), 1);
        ring_count = ring_count == 0 ? fake_rings.made_count : ring_count;
        die_and_come_back();
    }
    assert_int_equal(fake_rings.made_count, ring_count);
    assert_int_equal(up_count, 1000);
}

/* Boot may be building it again where its rings were. */
static void nothing_of_a_dead_node_is_mapped_before_it_is_noticed(void **state)
{
    (void)state;
    fake_status_page(2)->state = NODE_DEAD;
    assert_int_equal(send_number(2, 1), 0); /* it waits */
    assert_false(fake_is_attached(2));
    fake_send_attention();
    run();
    assert_false(fake_is_attached(2));
}

/* --- Letting go --- */

static void it_is_let_go_of_once_all_have_heard_of_its_death(void **state)
{
    (void)state;
    assert_int_equal(send_number(2, 1), 0);
    run();
    assert_int_equal(released(2), 0);
    kill_node_2();
    run();
    assert_int_equal(released_in_node_down, 0);
    assert_int_equal(released(2), 1);
    assert_false(fake_is_attached(2));
    fake_advance_ns(INTERVAL_NS);
    fake_build_again(2);
    run();
    assert_int_equal(released(2), 0);
    kill_node_2();
    run();
    assert_int_equal(released(2), 2);
}

static void one_that_is_held_is_not_let_go(void **state)
{
    (void)state;
    is_held_in_node_down = true;
    kill_node_2();
    run();
    assert_int_equal(down_count, 1);
    fake_send_attention();
    run();
    assert_int_equal(released(2), 0);
}

/* A word gone wild does not end a hold either. */
static void one_that_is_held_does_not_come_back(void **state)
{
    (void)state;
    is_held_in_node_down = true;
    kill_node_2();
    run();
    fake_build_again(2);
    run();
    fake_send_attention();
    run();
    assert_int_equal(up_count, 0);
    assert_int_equal(released(2), 0);
}

/* It is lost to this node alone: what it says of itself decides. */
static void one_that_is_not_dead_by_its_own_word_is_not_let_go_of(void **state)
{
    (void)state;
    watch_give_up(2, "is given up by this node");
    run();
    assert_int_equal(down_count, 1);
    assert_int_equal(released(2), 0);
    assert_true(node_set_has(&fake_status_page(NODE)->declared_dead, 2));
    kill_node_2();
    run();
    assert_int_equal(down_count, 1);
    assert_int_equal(released(2), 1);
    /* No vote is about its next life. */
    assert_false(node_set_has(&fake_status_page(NODE)->declared_dead, 2));
    fake_advance_ns(INTERVAL_NS);
    fake_build_again(2);
    run();
    assert_int_equal(up_count, 1);
    assert_int_equal(send_number(2, 1), 0);
}

/* --- */

static void a_node_that_was_dead_when_this_one_started_may_come_back(void **state)
{
    (void)state;
    fake_status_page(2)->state = NODE_DEAD;
    fake_status_page(2)->incarnation = 7;
    dispatch_initialise();
    dispatch_register_node_down(note_down);
    dispatch_register_node_up(note_up);
    fake_send_attention();
    run();
    assert_int_equal(down_count, 1);
    assert_int_equal(released(2), 7);
    fake_build_again(2);
    run();
    assert_int_equal(up_count, 1);
}

static void who_has_been_built_again_prints_only_when_nobody_else_is_left(void **state)
{
    (void)state;
    assert_int_equal(log_console_owner(), 0);
    fake_status_page(0)->start_order = 1;
    assert_int_equal(log_console_owner(), 1);
    fake_status_page(1)->start_order = fake_status_page(2)->start_order = 2;
    assert_int_equal(log_console_owner(), 3);
    fake_status_page(3)->start_order = UINT32_MAX; /* no number of boot's */
    assert_int_equal(log_console_owner(), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, finish_dispatcher)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_death_and_a_return_are_told_once_each),
        TEST(a_node_that_is_not_back_yet_stays_dead),
        TEST(the_same_incarnation_does_not_come_back),
        TEST(another_incarnation_is_a_death_also_if_nobody_saw_it),
        TEST(a_number_that_changes_all_the_time_costs_no_more_than_now_and_then),
        TEST(channels_of_the_next_incarnation_are_new),
        TEST(nothing_left_in_a_ring_passes_for_a_message),
        TEST(many_lives_of_a_node_take_no_more_memory_than_one),
        TEST(nothing_of_a_dead_node_is_mapped_before_it_is_noticed),
        TEST(it_is_let_go_of_once_all_have_heard_of_its_death),
        TEST(one_that_is_held_is_not_let_go),
        TEST(one_that_is_held_does_not_come_back),
        TEST(one_that_is_not_dead_by_its_own_word_is_not_let_go_of),
        TEST(a_node_that_was_dead_when_this_one_started_may_come_back),
        TEST(who_has_been_built_again_prints_only_when_nobody_else_is_left),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
