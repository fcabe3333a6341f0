/* SPDX-License-Identifier: MIT */
/* sources: kernel/thread/thread.c kernel/thread/switch.S libc/core/timer.c kernel/message/status.c kernel/message/channel.c */
/* sources: tests/unit/world/fake_platform.c tests/unit/world/fake_memory.c */
/*
 * Tests kernel/thread/thread.c and kernel/thread/switch.S. The test stands where the dispatcher
 * does.
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

#include "kernel/limits.h"
#include "kernel/platform.h"
#include "kernel/thread/thread.h"
#include "libc/core/timer.h"
#include "tests/unit/world/fake_platform.h"

static char trace[64]; /* what ran, a letter each */

static void note(char letter)
{
    size_t length = strlen(trace);

    assert_true(length < sizeof(trace) - 1);
    trace[length] = letter;
    trace[length + 1] = '\0';
}

static int set_up(void **state)
{
    (void)state;
    fake_platform_reset(0, 1);
    trace[0] = '\0';
    return 0;
}

static void run_until_quiet(void)
{
    while (thread_run_ready() != 0) {
    }
}

static void note_argument(void *argument)
{
    assert_non_null(thread_self());
    note(*(const char *)argument);
}

static void created_thread_runs_when_the_dispatcher_lets_it(void **state)
{
    (void)state;
    struct thread *thread = thread_create("first", note_argument, "a");

    assert_non_null(thread);
    assert_string_equal(thread_name(thread), "first");
    assert_string_equal(trace, "");
    assert_null(thread_self());
    assert_int_equal(thread_run_ready(), 1);
    assert_string_equal(trace, "a");
    assert_null(thread_self());
    assert_int_equal(thread_run_ready(), 0);
}

static void yield_three_times(void *argument)
{
    const char *letter = argument;

    for (unsigned i = 0; i < 3; i++) {
        note(*letter);
        thread_yield();
    }
}

static void yielding_threads_take_turns(void **state)
{
    (void)state;
    assert_non_null(thread_create("a", yield_three_times, "a"));
    assert_non_null(thread_create("b", yield_three_times, "b"));
    run_until_quiet();
    assert_string_equal(trace, "ababab");
}

static struct thread *blocked_thread;

static void block_once(void *argument)
{
    blocked_thread = thread_self();
    thread_block();
    note(*(const char *)argument);
}

static void wake_and_yield(void *argument)
{
    note('c');
    thread_wake(argument);
    thread_yield();
    note('c');
}

/* Each turn runs once who was ready at its start: a thread that yields does not keep the
 * dispatcher from its other work. */
static void one_turn_runs_each_thread_once(void **state)
{
    (void)state;
    struct thread *blocked;

    assert_int_equal(thread_run_handler("b", block_once, "b"), 0);
    blocked = blocked_thread;
    assert_non_null(thread_create("a", yield_three_times, "a"));
    assert_non_null(thread_create("c", wake_and_yield, blocked));
    assert_non_null(thread_create("d", note_argument, "d"));
    trace[0] = '\0';
    assert_int_equal(thread_run_ready(), 3);
    assert_string_equal(trace, "acd"); /* neither one that yields again, nor whom another woke */
    assert_int_equal(thread_run_ready(), 3);
    assert_string_equal(trace, "acdabc"); /* in the order in which they became ready */
    run_until_quiet();
    assert_string_equal(trace, "acdabca");
}

static void create_another(void *argument)
{
    assert_non_null(thread_create("inner", note_argument, argument));
    note('o');
}

static void thread_created_by_a_thread_runs_next_turn(void **state)
{
    (void)state;
    assert_non_null(thread_create("outer", create_another, "i"));
    assert_int_equal(thread_run_ready(), 1);
    assert_string_equal(trace, "o");
    assert_int_equal(thread_run_ready(), 1);
    assert_string_equal(trace, "oi");
}

static void block_and_note(void *argument)
{
    note('<');
    thread_block();
    note(*(const char *)argument);
}

static void blocked_thread_waits_for_its_wake(void **state)
{
    (void)state;
    struct thread *thread = thread_create("blocker", block_and_note, "w");

    run_until_quiet();
    assert_string_equal(trace, "<");
    assert_int_equal(thread_run_ready(), 0);
    thread_wake(thread);
    run_until_quiet();
    assert_string_equal(trace, "<w");
}

/* The event may come between a thread's look at its data and its blocking. */
static void wake_before_the_block_is_kept(void **state)
{
    (void)state;
    struct thread *thread = thread_create("blocker", block_and_note, "w");

    thread_wake(thread);
    run_until_quiet();
    assert_string_equal(trace, "<w");
}

static void block_twice(void *argument)
{
    (void)argument;
    thread_block();
    note('1');
    thread_block();
    note('2');
}

static void only_one_wake_is_kept(void **state)
{
    (void)state;
    struct thread *thread = thread_create("blocker", block_twice, NULL);

    thread_wake(thread);
    thread_wake(thread);
    run_until_quiet();
    assert_string_equal(trace, "1");
    thread_wake(thread);
    run_until_quiet();
    assert_string_equal(trace, "12");
}

static void block_until_100(void *argument)
{
    (void)argument;
    note(thread_block_until(100) ? 'w' : 't');
}

static void block_with_a_deadline_ends_at_it(void **state)
{
    (void)state;
    assert_non_null(thread_create("sleeper", block_until_100, NULL));
    run_until_quiet();
    assert_int_equal(timer_next_deadline_ns(), 100);
    assert_int_equal(timer_run_expired(99), 0);
    assert_int_equal(thread_run_ready(), 0);
    assert_int_equal(timer_run_expired(100), 1);
    run_until_quiet();
    assert_string_equal(trace, "t");
}

static void wake_before_the_deadline_stops_the_timer(void **state)
{
    (void)state;
    struct thread *thread = thread_create("sleeper", block_until_100, NULL);

    run_until_quiet();
    thread_wake(thread);
    run_until_quiet();
    assert_string_equal(trace, "w");
    assert_true(timer_next_deadline_ns() == UINT64_MAX);
}

/* Woken, and its deadline passes before it has run: it was woken, and nothing is left over. */
static void deadline_after_the_wake_changes_nothing(void **state)
{
    (void)state;
    struct thread *thread = thread_create("sleeper", block_until_100, NULL);

    run_until_quiet();
    thread_wake(thread);
    (void)timer_run_expired(200);
    run_until_quiet();
    assert_string_equal(trace, "w");
    assert_true(timer_next_deadline_ns() == UINT64_MAX);
}

static void handler_runs_at_once(void **state)
{
    (void)state;
    assert_int_equal(thread_run_handler("handler", note_argument, "h"), 0);
    assert_string_equal(trace, "h");
    assert_null(thread_self());
    assert_int_equal(thread_run_ready(), 0);
}

static void *last_stack;

static void note_stack(void *argument)
{
    (void)argument;
    last_stack = __builtin_frame_address(0);
}

static void handlers_that_do_not_yield_share_one_stack(void **state)
{
    (void)state;
    assert_int_equal(thread_run_handler("handler", note_stack, NULL), 0);
    void *stack = last_stack;
    fake_fail_allocations_after(0);
    assert_int_equal(thread_run_handler("handler", note_stack, NULL), 0);
    assert_ptr_equal(stack, last_stack);
}

static void handler_that_yields_goes_on_as_a_thread(void **state)
{
    (void)state;
    assert_int_equal(thread_run_handler("one", yield_three_times, "1"), 0);
    assert_int_equal(thread_run_handler("two", yield_three_times, "2"), 0);
    assert_string_equal(trace, "12");
    run_until_quiet();
    assert_string_equal(trace, "121212");
}

static void run_inner_handler(void *argument)
{
    assert_int_equal(thread_run_handler("inner", note_argument, argument), 0);
    note('o');
}

static void handler_called_in_a_thread_becomes_one(void **state)
{
    (void)state;
    assert_int_equal(thread_run_handler("outer", run_inner_handler, "i"), 0);
    assert_string_equal(trace, "o");
    run_until_quiet();
    assert_string_equal(trace, "oi");
}

static void exit_here(void)
{
    thread_exit();
}

static void call(void (*function)(void))
{
    char room[256];

    snprintf(room, sizeof(room), "%p", (void *)room);
    function();
    note(room[0]); /* never reached */
}

static void exit_in_depth(void *argument)
{
    (void)argument;
    note('x');
    call(exit_here);
    note('y'); /* never reached */
}

static void thread_may_exit_in_the_depth_of_calls(void **state)
{
    (void)state;
    assert_int_equal(thread_run_handler("handler", exit_in_depth, NULL), 0);
    assert_non_null(thread_create("thread", exit_in_depth, NULL));
    run_until_quiet();
    assert_string_equal(trace, "xx");
}

/* All registers that a C function may rely on across a call, and a stack of some depth. */
static unsigned sum_with_yields(unsigned depth)
{
    unsigned a = depth * 3, b = depth * 5, c = depth * 7, d = depth * 11, e = depth * 13;

    if (depth > 0) {
        thread_yield();
        a += sum_with_yields(depth - 1);
    }
    thread_yield();
    return a + b + c + d + e;
}

static void sum_in_thread(void *argument)
{
    *(unsigned *)argument = sum_with_yields(20);
}

static void locals_survive_switches(void **state)
{
    (void)state;
    unsigned sums[5] = {0};

    for (unsigned i = 0; i < ARRAY_COUNT(sums); i++) {
        assert_non_null(thread_create("sum", sum_in_thread, &sums[i]));
    }
    run_until_quiet();
    for (unsigned i = 0; i < ARRAY_COUNT(sums); i++) {
        assert_int_equal(sums[i], 39 * 210);
    }
}

/* Ended threads' stacks are used again: the machine is asked for each only once. */
static void stacks_are_used_again(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 10; i++) {
        assert_non_null(thread_create("a", yield_three_times, "."));
    }
    trace[0] = '\0';
    run_until_quiet();
    fake_fail_allocations_after(0);
    for (unsigned i = 0; i < 10; i++) {
        assert_non_null(thread_create("a", note_argument, "."));
    }
    run_until_quiet();
}

static void without_memory_no_thread_is_made(void **state)
{
    (void)state;
    struct thread *threads[64];
    unsigned count = 0;

    fake_fail_allocations_after(0);
    while (count < ARRAY_COUNT(threads)) {
        threads[count] = thread_create("a", block_and_note, "");
        if (threads[count] == NULL) {
            break;
        }
        count++;
    }
    assert_true(count < ARRAY_COUNT(threads));
    /* Free stacks are gone; the spare one may be left. */
    (void)!thread_run_handler("spare", yield_three_times, "s");
    trace[0] = '\0';
    assert_int_equal(thread_run_handler("none", note_argument, "n"), -ENOMEM);
    assert_string_equal(trace, "");
    fake_fail_allocations_after(-1);
    run_until_quiet();
    trace[0] = '\0';
    for (unsigned i = 0; i < count; i++) {
        thread_wake(threads[i]);
    }
    run_until_quiet();
}

static void only_a_thread_may_yield(void **state)
{
    (void)state;
    expect_assert_failure(thread_yield());
    expect_assert_failure(thread_block());
}

static void fill_stack(void *argument)
{
    volatile char room[THREAD_STACK_BYTES - 8 * KIB];

    for (size_t i = 0; i < sizeof(room); i++) {
        room[i] = (char)i;
    }
    thread_yield();
    for (size_t i = 0; i < sizeof(room); i++) {
        assert_int_equal(room[i], (char)i);
    }
    note(*(const char *)argument);
}

static void stack_has_the_promised_room(void **state)
{
    (void)state;
    assert_non_null(thread_create("deep", fill_stack, "d"));
    assert_non_null(thread_create("deep", fill_stack, "d"));
    run_until_quiet();
    assert_string_equal(trace, "dd");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(created_thread_runs_when_the_dispatcher_lets_it, set_up),
        cmocka_unit_test_setup(yielding_threads_take_turns, set_up),
        cmocka_unit_test_setup(one_turn_runs_each_thread_once, set_up),
        cmocka_unit_test_setup(thread_created_by_a_thread_runs_next_turn, set_up),
        cmocka_unit_test_setup(blocked_thread_waits_for_its_wake, set_up),
        cmocka_unit_test_setup(wake_before_the_block_is_kept, set_up),
        cmocka_unit_test_setup(only_one_wake_is_kept, set_up),
        cmocka_unit_test_setup(block_with_a_deadline_ends_at_it, set_up),
        cmocka_unit_test_setup(wake_before_the_deadline_stops_the_timer, set_up),
        cmocka_unit_test_setup(deadline_after_the_wake_changes_nothing, set_up),
        cmocka_unit_test_setup(handler_runs_at_once, set_up),
        cmocka_unit_test_setup(handlers_that_do_not_yield_share_one_stack, set_up),
        cmocka_unit_test_setup(handler_that_yields_goes_on_as_a_thread, set_up),
        cmocka_unit_test_setup(handler_called_in_a_thread_becomes_one, set_up),
        cmocka_unit_test_setup(thread_may_exit_in_the_depth_of_calls, set_up),
        cmocka_unit_test_setup(locals_survive_switches, set_up),
        cmocka_unit_test_setup(stacks_are_used_again, set_up),
        cmocka_unit_test_setup(without_memory_no_thread_is_made, set_up),
        cmocka_unit_test_setup(only_a_thread_may_yield, set_up),
        cmocka_unit_test_setup(stack_has_the_promised_room, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
