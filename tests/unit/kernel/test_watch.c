/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/dispatch_world.c tests/unit/world/hostile_page.c */
/*
 * Tests kernel/message/watch.c and the bounds of send.c: nodes that hang, and how long this one
 * puts up with them; and what it makes of other nodes' words on that.
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
#include "tests/unit/world/hostile_page.h"
#include "tests/unit/world/send_copy.h"

/* After which a node is given up. */
#define TIMEOUT_NS (WATCH_GIVE_UP_DEFAULT_MS * NS_PER_MS)
#define HUNG       2
#define HUNG_BIT   (UINT64_C(1) << HUNG)
#define OTHERS     (UINT64_C(0xF) & ~(UINT64_C(1) << NODE)) /* all but the node under test */

static unsigned down_count;
static node_id_t last_down;

static void note_down(node_id_t node)
{
    last_down = node;
    down_count++;
}

static uint64_t going_round;    /* nodes that go round when they are rung, a bit each */
static unsigned rung[NODE_MAX]; /* how often, when they last did */

static void go_round(node_id_t node)
{
    fake_status_page(node)->counters[COUNTER_DISPATCH_ROUNDS]++;
}

static void sleep_on(void)
{
    for (node_id_t node = 0; node < platform_node_count(); node++) {
        if ((going_round >> node & 1) != 0 && fake_doorbells(node) != rung[node]) {
            go_round(node);
        }
        rung[node] = fake_doorbells(node);
    }
}

static int start(void **state)
{
    (void)start_dispatcher(state);
    down_count = 0;
    going_round = 0;
    memset(rung, 0, sizeof(rung));
    dispatch_register_node_down(note_down);
    fake_on_sleep(sleep_on);
    for (node_id_t node = 0; node < platform_node_count(); node++) {
        fake_status_page(node)->sleep = NODE_SLEEPS; /* nobody is asked for being awake */
    }
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

static void hear(node_id_t from, uint64_t nodes)
{
    fake_status_page(from)->declared_dead.words[0] = nodes;
    fake_send_attention();
    dispatch_sleep();
}

static bool has_given_up(node_id_t node)
{
    return (fake_status_page(NODE)->declared_dead.words[0] >> node & 1) != 0;
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
    assert_int_equal(fake_status_page(NODE)->declared_dead.words[0], 0);
    run_for_ns(TIMEOUT_NS / 4);
    assert_true(fake_stops(HUNG) >= 1);
    assert_int_equal(fake_status_page(NODE)->declared_dead.words[0], HUNG_BIT);
    assert_int_equal(counter_read(NODE, COUNTER_NODES_GIVEN_UP), 1);
    assert_int_equal(fake_attentions(3), 1);
    assert_int_equal(send_number(HUNG, 1), -ENODEV);
    post_number(HUNG, 1);
    assert_int_equal(send_number(3, 1), 0);
    assert_int_equal(down_count, 0); /* two of three have to see it */
    hear(0, HUNG_BIT);
    assert_int_equal(down_count, 1);
    assert_int_equal(last_down, HUNG);
    assert_int_equal(status_node_state(HUNG), NODE_DEAD);
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
    assert_true(fake_stops(HUNG) >= 1);
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

/* Then it is dead to this node, whether or not the others agree. */
static void one_that_is_deaf_to_the_nmi_is_reset_once(void **state)
{
    (void)state;
    assert_int_equal(send_number(HUNG, 1), 0);
    run_for_ns(TIMEOUT_NS * 9 / 8);
    assert_true(fake_stops(HUNG) >= 1);
    run_for_ns(TIMEOUT_NS);
    assert_int_equal(fake_resets(HUNG), 0);
    assert_int_equal(down_count, 0);
    unsigned stops = fake_stops(HUNG);
    /* None shortly before INIT: what another node sends so much later would come behind it. */
    run_for_ns(TIMEOUT_NS);
    assert_int_equal(fake_resets(HUNG), 1);
    run_for_ns(5 * TIMEOUT_NS);
    assert_int_equal(fake_resets(HUNG), 1);
    assert_int_equal(fake_stops(HUNG), stops);
    assert_int_equal(down_count, 1);
    dispatch_sleep();
    assert_true(fake_last_sleep_deadline_ns() == UINT64_MAX);
}

/* Its channel goes when it is dead, which is no sign of life. */
static void one_that_is_deaf_and_dead_to_most_is_reset_as_well(void **state)
{
    (void)state;
    assert_int_equal(send_number(HUNG, 1), 0);
    run_for_ns(TIMEOUT_NS * 9 / 8);
    hear(0, HUNG_BIT);
    assert_int_equal(down_count, 1);
    run_for_ns(TIMEOUT_NS * 9 / 4);
    assert_int_equal(fake_resets(HUNG), 1);
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

/* Its channel from us is damaged, or ours to it: either node may be to blame. */
static void one_that_goes_round_but_takes_nothing_is_lost_to_this_node_alone(void **state)
{
    (void)state;
    going_round = OTHERS;
    assert_int_equal(send_number(HUNG, 1), 0);
    run_for_ns(TIMEOUT_NS * 9 / 10);
    assert_int_equal(down_count, 0);
    run_for_ns(TIMEOUT_NS * 5);
    assert_int_equal(down_count, 1);
    assert_int_equal(last_down, HUNG);
    assert_true(has_given_up(HUNG));
    assert_int_equal(fake_stops(HUNG), 0);
    assert_int_equal(fake_resets(HUNG), 0);
    dispatch_sleep();
    assert_true(fake_last_sleep_deadline_ns() == UINT64_MAX);
}

/* One that comes back to life before it is stopped is not in between for ever. */
static void one_that_goes_on_after_it_was_given_up_is_lost_to_this_node_alone(void **state)
{
    (void)state;
    assert_int_equal(send_number(HUNG, 1), 0);
    run_for_ns(TIMEOUT_NS * 9 / 8);
    assert_true(fake_stops(HUNG) >= 1);
    assert_int_equal(down_count, 0);
    go_round(HUNG);
    run_for_ns(TIMEOUT_NS * 5);
    assert_int_equal(down_count, 1);
    assert_int_equal(fake_resets(HUNG), 0);
}

/* --- What another node says --- */

/* It sleeps, and goes round when it is rung: each node has seen that for itself. */
static void one_node_alone_lets_no_living_one_die(void **state)
{
    (void)state;
    going_round = OTHERS;
    fake_status_page(HUNG)->sleep = NODE_SLEEPS;
    assert_int_equal(send_number(HUNG, 1), 0);
    expect_number(HUNG, 1);
    fake_expect_no_message(HUNG);
    hear(0, UINT64_MAX);
    run_for_ns(3 * TIMEOUT_NS);
    assert_int_equal(down_count, 0);
    assert_int_equal(fake_status_page(NODE)->declared_dead.words[0], 0);
    for (node_id_t node = 0; node < platform_node_count(); node++) {
        assert_int_equal(fake_stops(node), 0);
        assert_int_equal(node == NODE ? 0 : send_number(node, 1), 0);
    }
    assert_int_equal(counter_read(NODE, COUNTER_DROP_FALSE_DEATH), 3); /* this node is one */
    hear(0, 0);
    hear(0, UINT64_MAX);
    run_for_ns(3 * TIMEOUT_NS);
    assert_int_equal(counter_read(NODE, COUNTER_DROP_FALSE_DEATH), 6);
}

/* The words change between any two reads, and so do the rounds of the one who says them. */
static void say_anything(void)
{
    static unsigned count;
    struct status_page *page = fake_status_page(0);

    page->declared_dead.words[0] = count % 3 == 0   ? UINT64_MAX
                                   : count % 3 == 1 ? 0
                                                    : HUNG_BIT | 1 << NODE;
    page->counters[COUNTER_DISPATCH_ROUNDS] = count;
    count++;
}

static void page_that_accuses_at_random_lets_no_living_node_die(void **state)
{
    (void)state;
    going_round = OTHERS & ~UINT64_C(1); /* the wild one's page is closed to the test */
    assert_int_equal(send_number(3, 1), 0);
    expect_number(3, 1);
    fake_expect_no_message(3);
    hostile_page_start(fake_status_page(0), STATUS_PAGE_BYTES(platform_node_count()), say_anything);
    for (unsigned i = 0; i < 50; i++) {
        fake_send_attention();
        run_for_ns(TIMEOUT_NS / 10);
    }
    assert_true(hostile_page_stop() > 0);
    assert_int_equal(down_count, 0);
    assert_int_equal(fake_status_page(NODE)->declared_dead.words[0], 0);
    for (node_id_t node = 0; node < platform_node_count(); node++) {
        assert_int_equal(fake_stops(node), 0);
    }
    assert_true(counter_read(NODE, COUNTER_DROP_FALSE_DEATH) > 0);
}

/* A word costs one line in the log, however often it is said. */
static void false_word_is_told_once(void **state)
{
    char line[256];
    unsigned told = 0;
    uint32_t position = status_log_written(NODE);

    (void)state;
    going_round = OTHERS;
    for (unsigned i = 0; i < 5; i++) {
        hear(0, OTHERS | 1 << NODE);
        run_for_ns(TIMEOUT_NS / 4);
        hear(0, 0);
    }
    assert_int_equal(counter_read(NODE, COUNTER_DROP_FALSE_DEATH), 15);
    while (status_log_read(NODE, &position, line, sizeof(line)) != 0) {
        told += strstr(line, "works, although") != NULL;
    }
    assert_int_equal(told, 1);
}

/* This node has sent it nothing, and looks itself, as long as the other one has. */
static void hung_node_is_given_up_by_who_hears_of_it(void **state)
{
    (void)state;
    fake_status_page(HUNG)->sleep = NODE_SLEEPS; /* whatever it says */
    hear(0, HUNG_BIT | UINT64_C(1) << 60);
    run_for_ns(TIMEOUT_NS * 9 / 10);
    assert_int_equal(down_count, 0);
    assert_int_equal(fake_stops(HUNG), 0);
    assert_int_equal(send_number(3, 1), 0);
    expect_number(3, 1);
    fake_expect_no_message(3);
    run_for_ns(TIMEOUT_NS / 4);
    assert_true(fake_stops(HUNG) >= 1);
    assert_true(has_given_up(HUNG));
    assert_int_equal(down_count, 1); /* two of three */
    assert_int_equal(last_down, HUNG);
    assert_int_equal(counter_read(NODE, COUNTER_DROP_FALSE_DEATH), 0);
    assert_int_equal(status_node_state(0), NODE_RUNNING);
}

/* What it did before does not make the word a false one. */
static void rounds_before_the_word_do_not_count(void **state)
{
    (void)state;
    assert_int_equal(send_number(3, 1), 0);
    run_for_ns(TIMEOUT_NS / 2); /* looks at all */
    expect_number(3, 1);
    fake_expect_no_message(3);
    run_for_ns(TIMEOUT_NS / 2);
    go_round(HUNG);
    hear(0, HUNG_BIT);
    run_for_ns(TIMEOUT_NS * 5 / 4);
    assert_true(has_given_up(HUNG));
    assert_int_equal(counter_read(NODE, COUNTER_DROP_FALSE_DEATH), 0);
}

static void what_most_nodes_have_given_up_is_dead_at_once(void **state)
{
    (void)state;
    hear(0, HUNG_BIT);
    assert_int_equal(down_count, 0);
    hear(3, HUNG_BIT);
    assert_int_equal(down_count, 1);
    assert_int_equal(last_down, HUNG);
    assert_int_equal(fake_stops(HUNG), 0); /* who has given it up does that */
    assert_int_equal(send_number(HUNG, 1), -ENODEV);
}

static void word_of_a_dead_node_does_not_count(void **state)
{
    (void)state;
    fake_status_page(0)->declared_dead.words[0] = HUNG_BIT;
    fake_set_node_state(0, NODE_DEAD);
    hear(3, HUNG_BIT);
    assert_int_equal(down_count, 1);
    assert_int_equal(last_down, 0);
}

static void node_that_most_others_have_given_up_stops(void **state)
{
    (void)state;
    hear(0, UINT64_C(1) << NODE);
    assert_int_equal(counter_read(NODE, COUNTER_DROP_FALSE_DEATH), 1);
    fake_status_page(3)->declared_dead.words[0] = UINT64_C(1) << NODE;
    fake_send_attention();
    expect_assert_failure(dispatch_sleep());
}

/* A majority whose members, and whose victim, are in other words of a set than the first. */
static void of_the_most_nodes_more_than_half_have_to_give_one_up(void **state)
{
    const node_id_t accused = 200;
    unsigned votes = 0;

    (void)state;
    fake_platform_reset(NODE, NODE_MAX);
    fake_on_sleep(sleep_on);
    dispatch_initialise();
    dispatch_register_node_down(note_down);
    for (node_id_t voter = NODE_MAX - 1; votes < NODE_MAX / 2; voter--) {
        if (voter == accused) {
            continue;
        }
        assert_int_equal(down_count, 0);
        node_set_add(&fake_status_page(voter)->declared_dead, accused);
        fake_send_attention();
        dispatch_sleep();
        votes++;
    }
    assert_int_equal(down_count, 1);
    assert_int_equal(last_down, accused);
    assert_int_equal(status_node_state(accused - 1), NODE_RUNNING);
}

/* Of two nodes there is no third to ask: each believes what it sees. */
static void of_two_nodes_each_goes_by_its_own_look(void **state)
{
    (void)state;
    fake_platform_reset(NODE, 2);
    fake_on_sleep(sleep_on);
    going_round = 1;
    dispatch_initialise();
    dispatch_register_node_down(note_down);
    hear(0, UINT64_MAX);
    run_for_ns(3 * TIMEOUT_NS);
    assert_int_equal(down_count, 0);
    going_round = 0;
    fake_status_page(0)->declared_dead.words[0] = 0;
    struct number message = number_message(1);
    assert_int_equal(send_copy(0, &message.header), 0);
    run_for_ns(TIMEOUT_NS * 5 / 4);
    assert_true(fake_stops(0) >= 1);
    assert_int_equal(down_count, 1);
    assert_int_equal(last_down, 0);
}

static void without_a_time_out_no_node_is_too_slow(void **state)
{
    (void)state;
    (void)fill_channel(HUNG);
    run_for_ns(1000 * TIMEOUT_NS);
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
    assert_true(fake_stops(HUNG) >= 1);
}

/* It was a panic of this node before. */
static void node_that_lets_too_many_messages_wait_is_given_up(void **state)
{
    unsigned count = 0;

    (void)state;
    (void)fill_channel(HUNG);
    (void)fill_channel(3);
    post_number(3, 1);
    while (!has_given_up(HUNG)) {
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
    assert_int_equal(fake_stops(HUNG), 0);
    run_for_ns(TIMEOUT_NS * 5 / 4);
    assert_true(fake_stops(HUNG) >= 1); /* for it stands still, too */
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
    while (!has_given_up(HUNG)) {
        post_number(3, in_channel + waiting_for_3++);
        assert_true(count + waiting_for_3 <= 513);
    }
    assert_int_equal(count + waiting_for_3, 513);
    assert_false(has_given_up(3));
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
    assert_false(has_given_up(3));
    post_number(3, 512);
    assert_true(has_given_up(3));
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
        cmocka_unit_test_setup_teardown(one_that_is_deaf_and_dead_to_most_is_reset_as_well, start,
                                        finish_dispatcher),
        cmocka_unit_test_setup_teardown(one_that_dies_of_the_nmi_is_not_reset, start,
                                        finish_dispatcher),
        cmocka_unit_test_setup_teardown(
            one_that_goes_round_but_takes_nothing_is_lost_to_this_node_alone, start,
            finish_dispatcher),
        cmocka_unit_test_setup_teardown(
            one_that_goes_on_after_it_was_given_up_is_lost_to_this_node_alone, start,
            finish_dispatcher),
        cmocka_unit_test_setup_teardown(one_node_alone_lets_no_living_one_die, start,
                                        finish_dispatcher),
        cmocka_unit_test_setup_teardown(page_that_accuses_at_random_lets_no_living_node_die, start,
                                        finish_dispatcher),
        cmocka_unit_test_setup_teardown(false_word_is_told_once, start, finish_dispatcher),
        cmocka_unit_test_setup_teardown(hung_node_is_given_up_by_who_hears_of_it, start,
                                        finish_dispatcher),
        cmocka_unit_test_setup_teardown(rounds_before_the_word_do_not_count, start,
                                        finish_dispatcher),
        cmocka_unit_test_setup_teardown(what_most_nodes_have_given_up_is_dead_at_once, start,
                                        finish_dispatcher),
        cmocka_unit_test_setup_teardown(word_of_a_dead_node_does_not_count, start,
                                        finish_dispatcher),
        cmocka_unit_test_setup_teardown(node_that_most_others_have_given_up_stops, start,
                                        finish_dispatcher),
        cmocka_unit_test_setup_teardown(of_the_most_nodes_more_than_half_have_to_give_one_up, start,
                                        finish_dispatcher),
        cmocka_unit_test_setup_teardown(of_two_nodes_each_goes_by_its_own_look, start,
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
