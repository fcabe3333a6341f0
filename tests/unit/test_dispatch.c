/* SPDX-License-Identifier: MIT */
/* sources: kernel/dispatch.c kernel/channel.c kernel/status.c kernel/log.c kernel/format.c */
/* sources: kernel/timer.c kernel/thread.c kernel/switch.S tests/unit/fake_platform.c */
/* sources: tests/unit/fake_memory.c */
/*
 * Tests kernel/dispatch.c: node 1 of 4 is under test, the others are the test's.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/dispatch.h"
#include "kernel/log.h"
#include "kernel/platform.h"
#include "kernel/status.h"
#include "kernel/thread.h"
#include "kernel/timer.h"
#include "tests/unit/fake_platform.h"

#define NODE       1
#define TYPE       20
#define OTHER_TYPE 21

struct number {
    struct message_header header;
    uint32_t number;
    uint32_t reserved;
};

static struct {
    node_id_t from;
    uint16_t type;
    uint32_t number;
    uint16_t length_bytes;
} handled[256];
static unsigned handled_count;

static void note_message(node_id_t from, const struct message *message)
{
    assert_true(handled_count < ARRAY_COUNT(handled));
    handled[handled_count].from = from;
    handled[handled_count].type = message->header.type;
    handled[handled_count].number = ((const struct number *)message)->number;
    handled[handled_count].length_bytes = message->header.length_bytes;
    handled_count++;
}

static struct number number_message(uint32_t number)
{
    return (struct number){
        .header = {.type = TYPE, .length_bytes = sizeof(struct number)},
        .number = number,
    };
}

static int set_up(void **state)
{
    (void)state;
    fake_platform_reset(NODE, 4);
    dispatch_initialise();
    dispatch_register_message(TYPE, sizeof(struct number), note_message);
    (void)log_take_news();
    handled_count = 0;
    return 0;
}

static void deliver_number(node_id_t from, uint32_t number)
{
    struct number message = number_message(number);

    fake_deliver(from, &message.header);
}

static int send_number(node_id_t to, uint32_t number)
{
    struct number message = number_message(number);

    return message_send(to, &message.header);
}

static void post_number(node_id_t to, uint32_t number)
{
    struct number message = number_message(number);

    message_post(to, &message.header);
}

static void expect_number(node_id_t to, uint32_t number)
{
    const struct number *message = fake_expect_message(to, TYPE);

    assert_int_equal(message->number, number);
}

static unsigned fill_channel(node_id_t to)
{
    unsigned count = 0;

    while (send_number(to, count) == 0) {
        count++;
    }
    return count;
}

static void round_without_work_finds_none(void **state)
{
    (void)state;
    assert_int_equal(dispatch_round(), 0);
}

static void message_reaches_the_handler_of_its_type(void **state)
{
    (void)state;
    deliver_number(2, 77);
    assert_int_equal(dispatch_round(), 1);
    assert_int_equal(handled_count, 1);
    assert_int_equal(handled[0].from, 2);
    assert_int_equal(handled[0].number, 77);
    assert_int_equal(dispatch_round(), 0);
}

static void messages_without_handler_or_too_short_are_counted(void **state)
{
    (void)state;
    struct number message = number_message(1);

    message.header.type = OTHER_TYPE;
    fake_deliver(0, &message.header);
    message.header.type = MESSAGE_TYPE_MAX;
    fake_deliver(0, &message.header);
    message.header.type = UINT16_MAX;
    fake_deliver(0, &message.header);
    message.header.type = TYPE;
    message.header.length_bytes = sizeof(message) - 1;
    fake_deliver(0, &message.header);
    (void)dispatch_round();
    assert_int_equal(handled_count, 0);
    assert_int_equal(counter_read(NODE, COUNTER_DROP_BAD_MESSAGE), 4);
}

/* One that sends without end does not keep the others waiting. */
static void busy_sender_gets_a_bounded_batch_a_round(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 100; i++) {
        deliver_number(0, i);
    }
    deliver_number(3, 1000);
    (void)dispatch_round();
    assert_true(handled_count < 100);
    assert_int_equal(handled[handled_count - 1].from, 3);
    while (dispatch_round() != 0) {
    }
    assert_int_equal(handled_count, 101);
}

static void sent_message_travels_by_channel(void **state)
{
    (void)state;
    assert_int_equal(send_number(2, 5), 0);
    expect_number(2, 5);
    fake_expect_no_message(2);
    fake_expect_no_message(0);
    assert_int_equal(counter_read(NODE, COUNTER_CHANNEL_SENT), 1);
}

static void payload_is_put_behind_the_header(void **state)
{
    (void)state;
    struct number message = number_message(5);

    assert_int_equal(message_send_payload(2, &message.header, sizeof(message), "abc", 4), 0);
    assert_int_equal(message.header.length_bytes, sizeof(message) + 4);
    const struct number *sent = fake_expect_message(2, TYPE);
    assert_int_equal(sent->header.length_bytes, sizeof(message) + 4);
    assert_int_equal(sent->number, 5);
    assert_string_equal((const char *)(sent + 1), "abc");
}

static void message_to_this_node_is_a_direct_call(void **state)
{
    (void)state;
    assert_int_equal(send_number(NODE, 9), 0);
    assert_int_equal(handled_count, 1);
    assert_int_equal(handled[0].from, NODE);
    assert_int_equal(handled[0].number, 9);
    post_number(NODE, 10);
    assert_int_equal(handled[1].number, 10);
    assert_true(message_has_room(NODE, MESSAGE_MAX_BYTES));
}

static char own_payload[8];

static void note_payload(node_id_t from, const struct message *message)
{
    note_message(from, message);
    memcpy(own_payload, (const struct number *)message + 1, sizeof(own_payload));
}

static void payload_to_this_node_arrives_behind_its_header(void **state)
{
    (void)state;
    struct number message = number_message(5);

    message.header.type = OTHER_TYPE;
    dispatch_register_message(OTHER_TYPE, sizeof(struct number), note_payload);
    assert_int_equal(message_send_payload(NODE, &message.header, sizeof(message), "payload", 8), 0);
    assert_int_equal(handled[0].length_bytes, sizeof(message) + 8);
    assert_string_equal(own_payload, "payload");
}

static unsigned deepest;

static void send_one_deeper(node_id_t from, const struct message *message)
{
    struct number next = *(const struct number *)message;

    (void)from;
    deepest = next.number;
    if (next.number > 0) {
        next.number--;
        assert_int_equal(message_send_payload(NODE, &next.header, sizeof(next), &next.number, 4),
                         0);
    }
    /* What a deeper call was sent lies elsewhere. */
    assert_int_equal(((const struct number *)message)->number, deepest++);
}

static void handler_may_send_to_its_own_node_to_some_depth(void **state)
{
    (void)state;
    struct number message = number_message(5);

    message.header.type = OTHER_TYPE;
    dispatch_register_message(OTHER_TYPE, sizeof(struct number), send_one_deeper);
    assert_int_equal(message_send(NODE, &message.header), 0);
    assert_int_equal(deepest, 6);
    message.number = 1000;
    expect_assert_failure(assert_int_equal(message_send(NODE, &message.header), 0));
}

static void kill_node_2(void)
{
    fake_set_node_state(2, NODE_DEAD);
}

static void nothing_is_sent_to_nodes_that_do_not_exist_or_are_dead(void **state)
{
    (void)state;
    assert_int_equal(send_number(4, 1), -ENODEV);
    assert_int_equal(send_number(NODE_NONE, 1), -ENODEV);
    assert_false(message_has_room(4, 8));
    fake_on_sleep(kill_node_2);
    dispatch_sleep();
    assert_int_equal(send_number(2, 1), -ENODEV);
    post_number(2, 1);
    fake_expect_no_message(2);
}

static void full_channel_refuses_and_takes_again_later(void **state)
{
    (void)state;
    unsigned count = fill_channel(2);

    assert_true(count > 0);
    assert_int_equal(send_number(2, 1), -EAGAIN);
    assert_false(message_has_room(2, sizeof(struct number)));
    assert_true(counter_read(NODE, COUNTER_CHANNEL_FULL) > 0);
    assert_int_equal(send_number(3, 1), 0);
    for (unsigned i = 0; i < count; i++) {
        expect_number(2, i);
    }
    fake_expect_no_message(2);
    assert_true(message_has_room(2, sizeof(struct number)));
    assert_int_equal(send_number(2, 1), 0);
}

/* Also a message that could have gone directly does not overtake one that waits. */
static void posted_messages_wait_for_room_and_keep_their_order(void **state)
{
    (void)state;
    unsigned count = fill_channel(2);

    for (unsigned i = 0; i < 1000; i++) {
        post_number(2, count + i);
    }
    for (unsigned i = 0; i < count + 1000; i++) {
        const struct number *message = (const struct number *)fake_take_message(2);

        if (message == NULL) {
            assert_int_equal(send_number(2, 12345), -EAGAIN);
            assert_false(message_has_room(2, 8));
            assert_int_not_equal(dispatch_round(), 0);
            message = (const struct number *)fake_take_message(2);
        }
        assert_non_null(message);
        assert_int_equal(message->number, i);
    }
    fake_expect_no_message(2);
    assert_int_equal(send_number(2, 1), 0);
    expect_number(2, 1);
}

static void post_without_memory_ends_the_node(void **state)
{
    (void)state;
    (void)fill_channel(2);
    fake_fail_allocations_after(0);
    expect_assert_failure(post_number(2, 1));
}

static void sleeping_node_is_rung_once_a_round(void **state)
{
    (void)state;
    fake_status_page(2)->is_sleeping = 1;
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(send_number(2, i), 0);
        assert_int_equal(send_number(3, i), 0);
    }
    assert_int_equal(fake_doorbells(2), 0);
    (void)dispatch_round();
    assert_int_equal(fake_doorbells(2), 1);
    assert_int_equal(fake_doorbells(3), 0);
    (void)dispatch_round();
    assert_int_equal(fake_doorbells(2), 1);
    assert_int_equal(counter_read(NODE, COUNTER_DOORBELLS), 1);
}

/* --- Sources --- */

static char trace[64];
static unsigned poll_work;
static bool has_late_work;

static void note(char letter)
{
    size_t length = strlen(trace);

    assert_true(length < sizeof(trace) - 1);
    trace[length] = letter;
    trace[length + 1] = '\0';
}

static unsigned poll_source(void *context)
{
    note(*(const char *)context);
    return poll_work;
}

static void flush_source(void *context)
{
    note((char)(*(const char *)context - 'a' + 'A'));
}

static bool prepare_source(void *context)
{
    (void)context;
    note('p');
    return has_late_work;
}

static struct dispatch_source source_a = {
    .poll = poll_source, .flush = flush_source, .prepare_sleep = prepare_source, .context = "a"};
static struct dispatch_source source_b = {
    .poll = poll_source, .flush = flush_source, .prepare_sleep = prepare_source, .context = "b"};
static struct dispatch_source source_empty;

static int set_up_sources(void **state)
{
    (void)set_up(state);
    trace[0] = '\0';
    poll_work = 0;
    has_late_work = false;
    dispatch_register_source(&source_a);
    dispatch_register_source(&source_empty);
    dispatch_register_source(&source_b);
    return 0;
}

static void sources_are_polled_and_flushed_in_order(void **state)
{
    (void)state;
    assert_int_equal(dispatch_round(), 0);
    assert_string_equal(trace, "ab");
    trace[0] = '\0';
    poll_work = 3;
    assert_int_equal(dispatch_round(), 6);
    assert_string_equal(trace, "abAB");
}

static void sources_are_flushed_after_any_work(void **state)
{
    (void)state;
    deliver_number(0, 1);
    (void)dispatch_round();
    assert_string_equal(trace, "abAB");
}

static void every_source_is_armed_and_late_work_keeps_the_node_awake(void **state)
{
    (void)state;
    has_late_work = true;
    dispatch_sleep();
    assert_string_equal(trace, "pp");
    assert_int_equal(fake_sleeps(), 0);
    assert_int_equal(fake_status_page(NODE)->is_sleeping, 0);
}

/* --- Sleep --- */

static void check_flag(void)
{
    assert_int_equal(fake_status_page(NODE)->is_sleeping, 1);
}

static void node_sleeps_with_its_flag_up_until_the_next_timer(void **state)
{
    (void)state;
    struct timer timer;

    fake_on_sleep(check_flag);
    dispatch_sleep();
    assert_int_equal(fake_sleeps(), 1);
    assert_true(fake_last_sleep_deadline_ns() == UINT64_MAX);
    assert_int_equal(fake_status_page(NODE)->is_sleeping, 0);

    timer_initialise(&timer, NULL);
    assert_int_equal(timer_start(&timer, 5000), 0);
    dispatch_sleep();
    assert_int_equal(fake_last_sleep_deadline_ns(), 5000);
    assert_int_equal(counter_read(NODE, COUNTER_IDLE_NS), 5000);
    assert_int_equal(counter_read(NODE, COUNTER_SLEEPS), 2);
    timer_stop(&timer);
}

static void message_that_came_before_the_flag_keeps_the_node_awake(void **state)
{
    (void)state;
    deliver_number(3, 1);
    dispatch_sleep();
    assert_int_equal(fake_sleeps(), 0);
}

/* Nobody rings when there is room again: the node looks for itself, but does not spin. */
static void node_that_found_no_room_sleeps_only_shortly(void **state)
{
    (void)state;
    (void)dispatch_round();
    (void)fill_channel(2);
    dispatch_sleep();
    assert_true(fake_last_sleep_deadline_ns() <= 100 * NS_PER_US);
    assert_true(fake_last_sleep_deadline_ns() > 0);

    post_number(2, 1);
    (void)dispatch_round();
    uint64_t now_ns = platform_now_ns();
    dispatch_sleep();
    assert_true(fake_last_sleep_deadline_ns() > now_ns);
    assert_true(fake_last_sleep_deadline_ns() <= now_ns + 100 * NS_PER_US);
    while (fake_take_message(2) != NULL) {
    }
    assert_int_equal(dispatch_round(), 1);
}

static void wake_by_send(struct timer *timer)
{
    (void)timer;
    note('t');
    assert_int_equal(send_number(2, 1), 0);
}

static void timers_and_threads_run_in_a_round(void **state)
{
    (void)state;
    struct timer timer;

    trace[0] = '\0';
    timer_initialise(&timer, wake_by_send);
    assert_int_equal(timer_start(&timer, 100), 0);
    assert_int_equal(dispatch_round(), 0);
    fake_set_now_ns(100);
    fake_status_page(2)->is_sleeping = 1;
    assert_int_equal(dispatch_round(), 1);
    assert_int_equal(dispatch_now_ns(), 100);
    assert_string_equal(trace, "t");
    assert_int_equal(fake_doorbells(2), 1);
}

static void block_for_message(void *argument)
{
    *(struct thread **)argument = thread_self();
    thread_block();
    note('w');
}

static struct thread *blocked;

static void wake_blocked(node_id_t from, const struct message *message)
{
    (void)from;
    (void)message;
    thread_wake(blocked);
}

static void thread_woken_by_a_message_runs_in_the_same_round(void **state)
{
    (void)state;
    struct number message = number_message(1);

    trace[0] = '\0';
    message.header.type = OTHER_TYPE;
    dispatch_register_message(OTHER_TYPE, sizeof(message), wake_blocked);
    assert_int_equal(thread_run_handler("blocker", block_for_message, &blocked), 0);
    fake_deliver(0, &message.header);
    (void)dispatch_round();
    assert_string_equal(trace, "w");
}

/* --- Deaths --- */

static void note_down(node_id_t node)
{
    note((char)('0' + node));
}

static int set_up_deaths(void **state)
{
    (void)set_up(state);
    trace[0] = '\0';
    dispatch_register_node_down(note_down);
    dispatch_register_node_down(note_down);
    return 0;
}

static void death_is_told_once_to_all_on_waking(void **state)
{
    (void)state;
    fake_on_sleep(kill_node_2);
    dispatch_sleep();
    assert_string_equal(trace, "22");
    dispatch_sleep();
    assert_string_equal(trace, "22");
}

static void busy_node_learns_of_a_death_too(void **state)
{
    (void)state;
    kill_node_2();
    for (unsigned i = 0; i < 1000; i++) {
        deliver_number(0, i);
        (void)dispatch_round();
        handled_count = 0;
    }
    assert_string_equal(trace, "22");
}

static void death_takes_waiting_messages_with_it(void **state)
{
    (void)state;
    (void)fill_channel(2);
    post_number(2, 1);
    post_number(2, 2);
    deliver_number(2, 3);
    fake_on_sleep(kill_node_2);
    (void)dispatch_round();
    assert_int_equal(handled_count, 1);
    dispatch_sleep();
    deliver_number(2, 4);
    (void)dispatch_round();
    assert_int_equal(handled_count, 1);
}

/* --- Log --- */

static void logging_node_rings_the_sleeping_owner_of_the_console(void **state)
{
    (void)state;
    fake_status_page(0)->is_sleeping = 1;
    log_info("ts", "line");
    (void)dispatch_round();
    assert_int_equal(fake_doorbells(0), 1);
    (void)dispatch_round();
    assert_int_equal(fake_doorbells(0), 1);
}

static void owner_prints_what_others_wrote_before_it_sleeps(void **state)
{
    (void)state;
    struct status_page *page = fake_status_page(3);

    fake_set_node_state(0, NODE_ABSENT);
    memcpy(page->log, "hello\n", 6);
    page->log_written = 6;
    dispatch_sleep();
    assert_string_equal(fake_console(), "hello\n");
    assert_int_equal(fake_sleeps(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(round_without_work_finds_none, set_up),
        cmocka_unit_test_setup(message_reaches_the_handler_of_its_type, set_up),
        cmocka_unit_test_setup(messages_without_handler_or_too_short_are_counted, set_up),
        cmocka_unit_test_setup(busy_sender_gets_a_bounded_batch_a_round, set_up),
        cmocka_unit_test_setup(sent_message_travels_by_channel, set_up),
        cmocka_unit_test_setup(payload_is_put_behind_the_header, set_up),
        cmocka_unit_test_setup(message_to_this_node_is_a_direct_call, set_up),
        cmocka_unit_test_setup(payload_to_this_node_arrives_behind_its_header, set_up),
        cmocka_unit_test_setup(handler_may_send_to_its_own_node_to_some_depth, set_up),
        cmocka_unit_test_setup(nothing_is_sent_to_nodes_that_do_not_exist_or_are_dead, set_up),
        cmocka_unit_test_setup(full_channel_refuses_and_takes_again_later, set_up),
        cmocka_unit_test_setup(posted_messages_wait_for_room_and_keep_their_order, set_up),
        cmocka_unit_test_setup(post_without_memory_ends_the_node, set_up),
        cmocka_unit_test_setup(sleeping_node_is_rung_once_a_round, set_up),
        cmocka_unit_test_setup(sources_are_polled_and_flushed_in_order, set_up_sources),
        cmocka_unit_test_setup(sources_are_flushed_after_any_work, set_up_sources),
        cmocka_unit_test_setup(every_source_is_armed_and_late_work_keeps_the_node_awake,
                               set_up_sources),
        cmocka_unit_test_setup(node_sleeps_with_its_flag_up_until_the_next_timer, set_up),
        cmocka_unit_test_setup(message_that_came_before_the_flag_keeps_the_node_awake, set_up),
        cmocka_unit_test_setup(node_that_found_no_room_sleeps_only_shortly, set_up),
        cmocka_unit_test_setup(timers_and_threads_run_in_a_round, set_up),
        cmocka_unit_test_setup(thread_woken_by_a_message_runs_in_the_same_round, set_up),
        cmocka_unit_test_setup(death_is_told_once_to_all_on_waking, set_up_deaths),
        cmocka_unit_test_setup(busy_node_learns_of_a_death_too, set_up_deaths),
        cmocka_unit_test_setup(death_takes_waiting_messages_with_it, set_up_deaths),
        cmocka_unit_test_setup(logging_node_rings_the_sleeping_owner_of_the_console, set_up),
        cmocka_unit_test_setup(owner_prints_what_others_wrote_before_it_sleeps, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
