/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/dispatch_world.c tests/unit/world/hostile_page.c */
/*
 * Tests kernel/message/poll.c: channels that are looked at in each round, and quiet ones, and what
 * a sender does for those.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernel/message/channel.h"
#include "kernel/message/dispatch.h"
#include "kernel/message/peers.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "tests/unit/world/dispatch_world.h"
#include "tests/unit/world/fake_platform.h"
#include "tests/unit/world/hostile_page.h"

#define ENOUGH_ROUNDS 2100 /* for a channel to fall quiet, at the most */

static bool is_quiet(node_id_t from)
{
    return (fake_status_page(NODE)->quiet[0] >> from & 1) != 0;
}

static void run_rounds(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        (void)dispatch_round();
    }
}

static void sleep_on(void)
{
}

/* Channels from all, on which something has come. */
static int start(void **state)
{
    (void)start_dispatcher(state);
    fake_on_sleep(sleep_on);
    fake_rings.is_quiet_left_alone = true;
    for (node_id_t from = 0; from < 4; from++) {
        if (from != NODE) {
            deliver_number(from, 0);
        }
    }
    run_rounds(2);
    assert_int_equal(handled_count, 3);
    handled_count = 0;
    return 0;
}

static int start_quiet(void **state)
{
    (void)start(state);
    run_rounds(ENOUGH_ROUNDS);
    assert_true(is_quiet(0) && is_quiet(2) && is_quiet(3));
    return 0;
}

static void channel_is_quiet_when_nothing_has_come_for_long(void **state)
{
    (void)state;
    run_rounds(1000);
    assert_false(is_quiet(0) || is_quiet(2) || is_quiet(3));
    for (unsigned i = 0; i < 3; i++) {
        deliver_number(2, i);
        run_rounds(1000);
        assert_false(is_quiet(2));
    }
    assert_true(is_quiet(0) && is_quiet(3));
    assert_int_equal(handled_count, 3);
}

/* As its sender finds the mark. */
static void interrupt_ends_the_quiet(void **state)
{
    (void)state;
    deliver_number(2, 5);
    fake_send_attention();
    dispatch_sleep();
    assert_false(is_quiet(2));
    assert_true(is_quiet(0) && is_quiet(3));
    (void)dispatch_round();
    assert_int_equal(handled_count, 1);
    assert_int_equal(handled[0].number, 5);
}

static void wake(void)
{
    deliver_number(3, 6);
    fake_send_attention();
    fake_on_sleep(sleep_on);
}

static void node_that_sleeps_wakes_for_a_quiet_channel(void **state)
{
    (void)state;
    fake_on_sleep(wake);
    dispatch_sleep();
    (void)dispatch_round();
    assert_int_equal(handled_count, 1);
    assert_int_equal(handled[0].from, 3);
}

/* It takes no interrupt: each round looks at one. */
static void node_that_never_sleeps_finds_a_message_on_a_quiet_channel(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 50; i++) {
        node_id_t from = i % 2 == 0 ? 0 : 3;

        deliver_number(from, i);
        run_rounds(3);
        assert_int_equal(handled_count, 1);
        assert_int_equal(handled[0].number, i);
        assert_false(is_quiet(from));
        handled_count = 0;
        run_rounds(ENOUGH_ROUNDS);
    }
}

static void messages_of_a_channel_keep_their_order_from_quiet_to_loud(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 100; i++) {
        deliver_number(2, i);
    }
    fake_send_attention();
    dispatch_sleep();
    for (unsigned i = 0; i < 10; i++) {
        deliver_number(2, 100 + i);
        (void)dispatch_round();
    }
    assert_int_equal(handled_count, 110);
    for (unsigned i = 0; i < 110; i++) {
        assert_int_equal(handled[i].number, i);
    }
}

static bool has_delivered;

/* A sender that has published, and looked at the mark, before the node sets it: nothing rings. This
 * one does so between the marks and the node's last look. */
static void deliver_after_the_first_mark(void)
{
    if (fake_status_page(NODE)->quiet[0] != 0 && !has_delivered) {
        has_delivered = true;
        for (node_id_t from = 0; from < 4; from++) {
            if (is_quiet(from)) {
                deliver_number(from, 9);
            }
        }
    }
}

static void message_that_comes_while_a_channel_falls_quiet_is_not_left_there(void **state)
{
    (void)state;
    has_delivered = false;
    while (!has_delivered) {
        hostile_page_start(fake_status_page(NODE), STATUS_PAGE_BYTES(platform_node_count()),
                           deliver_after_the_first_mark);
        (void)dispatch_round();
        (void)hostile_page_stop();
    }
    handled_count = 0;
    (void)dispatch_round();
    assert_int_equal(handled_count, 1);
    assert_int_equal(handled[0].number, 9);
    assert_false(is_quiet(handled[0].from));
}

/* On either side of the words in which nodes have their bits, and the last. */
static void of_the_most_nodes_each_is_quiet_heard_and_blocked_by_itself(void **state)
{
    static const node_id_t nodes[] = {0, 31, 32, 63, 64, NODE_MAX - 1};

    (void)state;
    fake_platform_reset(NODE, NODE_MAX);
    dispatch_initialise();
    dispatch_register_message(TYPE, sizeof(struct number), note_message);
    handled_count = 0;
    fake_on_sleep(sleep_on);
    fake_rings.is_quiet_left_alone = true;
    for (unsigned i = 0; i < ARRAY_COUNT(nodes); i++) {
        deliver_number(nodes[i], i);
    }
    run_rounds(ENOUGH_ROUNDS);
    assert_int_equal(handled_count, ARRAY_COUNT(nodes));
    for (unsigned node = 0; node < NODE_MAX; node++) {
        bool is_one_of_them = false;

        for (unsigned i = 0; i < ARRAY_COUNT(nodes); i++) {
            is_one_of_them |= nodes[i] == node;
        }
        assert_int_equal(fake_status_page(NODE)->quiet[node / 32] >> node % 32 & 1, is_one_of_them);
    }
    for (unsigned i = 0; i < ARRAY_COUNT(nodes); i++) {
        handled_count = 0;
        deliver_number(nodes[i], i);
        fake_send_attention();
        dispatch_sleep();
        (void)dispatch_round();
        assert_int_equal(handled_count, 1);
        assert_int_equal(handled[0].from, nodes[i]);
    }
    for (unsigned i = 0; i < ARRAY_COUNT(nodes); i++) {
        (void)dispatch_round();
        assert_false(peers_is_blocked());
        (void)fill_channel(nodes[i]);
        assert_true(peers_is_blocked());
        assert_false(peers_has_room_come());
        while (fake_take_message(nodes[i]) != NULL) {
        }
        assert_true(peers_has_room_come());
    }
}

static void sender_interrupts_for_a_quiet_channel_also_who_is_awake(void **state)
{
    (void)state;
    fake_status_page(2)->quiet[0] = 1u << NODE;
    fake_status_page(3)->quiet[0] = ~(1u << NODE);
    assert_int_equal(send_number(2, 1), 0);
    assert_int_equal(send_number(3, 1), 0);
    unsigned before_2 = fake_attentions(2), before_3 = fake_attentions(3);
    (void)dispatch_round();
    assert_int_equal(fake_attentions(2), before_2 + 1);
    assert_int_equal(fake_attentions(3), before_3);
    /* Awake, and its channel is not quiet any more. */
    fake_status_page(2)->quiet[0] = 0;
    assert_int_equal(send_number(2, 1), 0);
    (void)dispatch_round();
    assert_int_equal(fake_attentions(2), before_2 + 1);
    assert_int_equal(fake_doorbells(2) + fake_doorbells(3), 0);
}

static void each_loud_and_quiet_channel_works_when_another_is_gone(void **state)
{
    (void)state;
    deliver_number(2, 1); /* 2 is loud, 0 and 3 are quiet */
    run_rounds(4);
    fake_set_node_state(3, NODE_DEAD);
    dispatch_sleep();
    assert_false(is_quiet(3));
    handled_count = 0;
    deliver_number(0, 2);
    run_rounds(3);
    deliver_number(2, 3);
    run_rounds(1);
    assert_int_equal(handled_count, 2);
    fake_set_node_state(2, NODE_DEAD); /* a loud one */
    dispatch_sleep();
    deliver_number(0, 4);
    run_rounds(1);
    assert_int_equal(handled_count, 3);
    assert_int_equal(handled[2].number, 4);
}

#define TEST(name)       cmocka_unit_test_setup_teardown(name, start, finish_dispatcher)
#define TEST_QUIET(name) cmocka_unit_test_setup_teardown(name, start_quiet, finish_dispatcher)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(channel_is_quiet_when_nothing_has_come_for_long),
        TEST_QUIET(interrupt_ends_the_quiet),
        TEST_QUIET(node_that_sleeps_wakes_for_a_quiet_channel),
        TEST_QUIET(node_that_never_sleeps_finds_a_message_on_a_quiet_channel),
        TEST_QUIET(messages_of_a_channel_keep_their_order_from_quiet_to_loud),
        TEST(of_the_most_nodes_each_is_quiet_heard_and_blocked_by_itself),
        TEST(message_that_comes_while_a_channel_falls_quiet_is_not_left_there),
        TEST(sender_interrupts_for_a_quiet_channel_also_who_is_awake),
        TEST_QUIET(each_loud_and_quiet_channel_works_when_another_is_gone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
