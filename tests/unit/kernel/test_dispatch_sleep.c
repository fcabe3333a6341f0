/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/dispatch_world.c */
/*
 * Tests kernel/message/dispatch.c: what a round looks after besides messages, and what ends a
 * sleep.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/log.h"
#include "kernel/message/dispatch.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "kernel/thread/thread.h"
#include "libc/core/timer.h"
#include "tests/unit/world/dispatch_world.h"
#include "tests/unit/world/fake_platform.h"

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
    (void)start_dispatcher(state);
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

static void post_beyond_room(void)
{
    (void)fill_channel(2);
    post_number(2, 1);
    while (fake_take_message(2) != NULL) {
    }
}

static void deliver_from_0(void)
{
    deliver_number(0, 1);
}

static struct timer due_timer;

static void ignore_expiry(struct timer *timer)
{
    (void)timer;
}

static void start_due_timer(void)
{
    timer_initialise(&due_timer, ignore_expiry);
    assert_int_equal(timer_start(&due_timer, platform_now_ns()), 0);
}

static void ignore_argument(void *argument)
{
    (void)argument;
}

static void make_thread_ready(void)
{
    assert_non_null(thread_create("ready", ignore_argument, NULL));
}

/* Each kind of work alone. */
static void sources_are_flushed_after_any_work(void **state)
{
    void (*const kinds[])(void) = {deliver_from_0, post_beyond_room, start_due_timer,
                                   make_thread_ready};

    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(kinds); i++) {
        assert_int_equal(dispatch_round(), 0);
        kinds[i]();
        trace[0] = '\0';
        assert_int_equal(dispatch_round(), 1);
        assert_string_equal(trace, "abAB");
    }
    /* And that of one source after all. */
    trace[0] = '\0';
    poll_work = 1;
    (void)dispatch_round();
    assert_string_equal(trace, "abAB");
    /* A death that is found now and then, in a node that never sleeps. */
    poll_work = 0;
    kill_node_2();
    unsigned rounds = 0;
    do {
        trace[0] = '\0';
        assert_true(rounds++ < 1000);
    } while (dispatch_round() == 0);
    assert_string_equal(trace, "abAB");
}

static void every_source_is_armed_and_late_work_keeps_the_node_awake(void **state)
{
    (void)state;
    has_late_work = true;
    dispatch_sleep();
    assert_string_equal(trace, "pp");
    assert_int_equal(fake_sleeps(), 0);
    assert_int_equal(fake_status_page(NODE)->sleep, 0);
}

/* --- Sleep --- */

static void check_flag(void)
{
    assert_int_equal(fake_status_page(NODE)->sleep, 1);
}

static void ignore_timer(struct timer *timer)
{
    (void)timer;
}

static void node_sleeps_with_its_flag_up_until_the_next_timer(void **state)
{
    (void)state;
    struct timer timer;

    fake_on_sleep(check_flag);
    dispatch_sleep();
    assert_int_equal(fake_sleeps(), 1);
    assert_true(fake_last_sleep_deadline_ns() == UINT64_MAX);
    assert_int_equal(fake_status_page(NODE)->sleep, 0);

    timer_initialise(&timer, ignore_timer);
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

static void check_flag_for_room(void)
{
    assert_int_equal(fake_status_page(NODE)->sleep, NODE_SLEEPS_FOR_ROOM);
}

/* Its receiver rings it: there is nothing to look for meanwhile. It woke every 50 us before. */
static void node_that_found_no_room_says_so_and_sleeps(void **state)
{
    (void)state;
    (void)dispatch_round();
    (void)fill_channel(2);
    post_number(2, 1);
    (void)dispatch_round();
    fake_on_sleep(check_flag_for_room);
    dispatch_sleep(); /* over at once: the time for a look at who takes nothing begins */
    (void)dispatch_round();
    uint64_t now_ns = platform_now_ns();
    dispatch_sleep();
    assert_int_equal(fake_sleeps(), 1);
    assert_true(fake_last_sleep_deadline_ns() >= now_ns + NS_PER_S);

    while (fake_take_message(2) != NULL) {
    }
    dispatch_sleep();
    assert_int_equal(fake_sleeps(), 1); /* room that came before the flag keeps it awake */
    assert_int_equal(dispatch_round(), 1);
    fake_on_sleep(check_flag);
    dispatch_sleep();
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
    fake_status_page(2)->sleep = 1;
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

/* --- What is done on the way to sleep --- */

static void (*late)(void);

/* Once: what a source does in arming itself. */
static bool do_late_thing(void *context)
{
    void (*thing)(void) = late;

    (void)context;
    late = NULL;
    if (thing != NULL) {
        thing();
    }
    return false;
}

static void flush_late(void *context)
{
    (void)context;
    note('F');
}

static struct dispatch_source late_source = {.flush = flush_late, .prepare_sleep = do_late_thing};

static int set_up_late_source(void **state)
{
    (void)start_dispatcher(state);
    trace[0] = '\0';
    late = NULL;
    dispatch_register_source(&late_source);
    return 0;
}

static void note_wake(void *argument)
{
    (void)argument;
    note('w');
}

static void send_to_2(void)
{
    assert_int_equal(send_number(2, 1), 0);
}

static void send_to_itself(void)
{
    assert_int_equal(send_number(NODE, 1), 0);
}

static void make_a_thread_ready(void)
{
    assert_non_null(thread_create("late", note_wake, NULL));
}

static void write_a_line(void)
{
    log_info("ts", "late line");
}

static void find_no_room(void)
{
    (void)fill_channel(2);
}

static struct timer late_timer;

static void note_timer(struct timer *timer)
{
    (void)timer;
    note('t');
}

static void start_a_timer(void)
{
    timer_initialise(&late_timer, note_timer);
    assert_int_equal(timer_start(&late_timer, platform_now_ns() + 5000), 0);
}

static void deliver_to_node(void)
{
    deliver_number(3, 1);
}

static void ignore_sleep(void)
{
}

/* `thing` happens when the last look at all channels is over; then the node goes round as
 * dispatch_run() does. */
static void on_the_way_to_sleep(void (*thing)(void))
{
    late = thing;
    fake_on_sleep(ignore_sleep);
    dispatch_sleep();
    while (dispatch_round() != 0) {
    }
    assert_null(late);
}

/* Each of these was left until something else woke the node. */
static void what_a_source_did_on_the_way_to_sleep_is_done_before_it(void **state)
{
    (void)state;
    fake_status_page(2)->sleep = NODE_SLEEPS;
    on_the_way_to_sleep(send_to_2);
    assert_int_equal(fake_doorbells(2), 1);
    on_the_way_to_sleep(make_a_thread_ready);
    assert_string_equal(trace, "FwF"); /* the flush after a send, then after the thread's turn */
    assert_int_equal(handled_count, 0);
    on_the_way_to_sleep(send_to_itself);
    assert_int_equal(handled_count, 1);
    assert_string_equal(trace, "FwFF"); /* what the handler left for the flush */
    on_the_way_to_sleep(write_a_line);
    assert_int_equal(fake_attentions(0), 1);
    assert_int_equal(fake_sleeps(), 1); /* who was told needs no round of this node */
}

static void timer_that_a_source_starts_on_the_way_to_sleep_ends_it(void **state)
{
    (void)state;
    on_the_way_to_sleep(start_a_timer);
    assert_int_equal(fake_last_sleep_deadline_ns(), 5000);
    assert_string_equal(trace, "tF");
}

static void message_that_comes_behind_the_last_look_rings(void **state)
{
    (void)state;
    on_the_way_to_sleep(deliver_to_node);
    assert_int_equal(handled_count, 1);
    assert_int_equal(fake_sleeps(), 0);
    on_the_way_to_sleep(fake_send_attention);
    assert_int_equal(fake_sleeps(), 0);
}

/* The flag did not say yet that it waits for room. */
static void channel_that_is_found_full_on_the_way_to_sleep_keeps_the_node_awake(void **state)
{
    (void)state;
    late = find_no_room;
    dispatch_sleep();
    assert_int_equal(fake_sleeps(), 0);
}

/* --- Deaths --- */

static void note_down(node_id_t node)
{
    note((char)('0' + node));
}

static int set_up_deaths(void **state)
{
    (void)start_dispatcher(state);
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

static void free_memory_stands_on_the_status_page_of_an_idle_node_and_of_a_busy_one(void **state)
{
    struct timer timer;

    (void)state;
    timer_initialise(&timer, ignore_timer);
    assert_int_equal(timer_start(&timer, NS_PER_S), 0);
    fake_set_free_memory_bytes(5 * MIB);
    dispatch_sleep();
    assert_int_equal(counter_read(NODE, COUNTER_MEMORY_FREE), 5 * MIB);
    fake_set_free_memory_bytes(4 * MIB);
    for (unsigned i = 0; i < 300; i++) {
        (void)dispatch_round();
    }
    assert_int_equal(counter_read(NODE, COUNTER_MEMORY_FREE), 4 * MIB);
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
    dispatch_sleep(); /* over at once: the time for a look at who takes nothing begins */
    dispatch_sleep();
    deliver_number(2, 4);
    (void)dispatch_round();
    assert_int_equal(handled_count, 1);
}

/* --- Log --- */

/* Also if it is awake, for it does not look by itself before it sleeps. */
static void logging_node_tells_the_owner_of_the_console_once(void **state)
{
    (void)state;
    log_info("ts", "line");
    (void)dispatch_round();
    assert_int_equal(fake_attentions(0), 1);
    (void)dispatch_round();
    assert_int_equal(fake_attentions(0), 1);
}

static void write_hello(void)
{
    struct status_page *page = fake_status_page(3);

    memcpy(page->log, "hello\n", 6);
    page->log_written = 6;
}

static void write_hello_and_tell(void)
{
    write_hello();
    fake_send_attention();
}

static void owner_prints_what_others_wrote_when_it_is_told(void **state)
{
    (void)state;
    fake_set_node_state(0, NODE_ABSENT);
    fake_on_sleep(write_hello_and_tell);
    dispatch_sleep();
    assert_string_equal(fake_console(), "hello\n");
}

static void busy_owner_prints_what_others_wrote_too(void **state)
{
    (void)state;
    fake_set_node_state(0, NODE_ABSENT);
    write_hello();
    for (unsigned i = 0; i < 1000; i++) {
        deliver_number(0, i);
        (void)dispatch_round();
        handled_count = 0;
    }
    assert_string_equal(fake_console(), "hello\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(sources_are_polled_and_flushed_in_order, set_up_sources),
        cmocka_unit_test_setup(sources_are_flushed_after_any_work, set_up_sources),
        cmocka_unit_test_setup(every_source_is_armed_and_late_work_keeps_the_node_awake,
                               set_up_sources),
        cmocka_unit_test_setup_teardown(node_sleeps_with_its_flag_up_until_the_next_timer,
                                        start_dispatcher, finish_dispatcher),
        cmocka_unit_test_setup_teardown(message_that_came_before_the_flag_keeps_the_node_awake,
                                        start_dispatcher, finish_dispatcher),
        cmocka_unit_test_setup_teardown(node_that_found_no_room_says_so_and_sleeps,
                                        start_dispatcher, finish_dispatcher),
        cmocka_unit_test_setup_teardown(timers_and_threads_run_in_a_round, start_dispatcher,
                                        finish_dispatcher),
        cmocka_unit_test_setup_teardown(what_a_source_did_on_the_way_to_sleep_is_done_before_it,
                                        set_up_late_source, finish_dispatcher),
        cmocka_unit_test_setup_teardown(timer_that_a_source_starts_on_the_way_to_sleep_ends_it,
                                        set_up_late_source, finish_dispatcher),
        cmocka_unit_test_setup_teardown(message_that_comes_behind_the_last_look_rings,
                                        set_up_late_source, finish_dispatcher),
        cmocka_unit_test_setup_teardown(
            channel_that_is_found_full_on_the_way_to_sleep_keeps_the_node_awake, set_up_late_source,
            finish_dispatcher),
        cmocka_unit_test_setup_teardown(thread_woken_by_a_message_runs_in_the_same_round,
                                        start_dispatcher, finish_dispatcher),
        cmocka_unit_test_setup_teardown(death_is_told_once_to_all_on_waking, set_up_deaths,
                                        finish_dispatcher),
        cmocka_unit_test_setup_teardown(busy_node_learns_of_a_death_too, set_up_deaths,
                                        finish_dispatcher),
        cmocka_unit_test_setup_teardown(
            free_memory_stands_on_the_status_page_of_an_idle_node_and_of_a_busy_one,
            start_dispatcher, finish_dispatcher),
        cmocka_unit_test_setup_teardown(death_takes_waiting_messages_with_it, set_up_deaths,
                                        finish_dispatcher),
        cmocka_unit_test_setup_teardown(logging_node_tells_the_owner_of_the_console_once,
                                        start_dispatcher, finish_dispatcher),
        cmocka_unit_test_setup_teardown(owner_prints_what_others_wrote_when_it_is_told,
                                        start_dispatcher, finish_dispatcher),
        cmocka_unit_test_setup_teardown(busy_owner_prints_what_others_wrote_too, start_dispatcher,
                                        finish_dispatcher),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
