/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/dispatch_world.c */
/*
 * Tests the event loop itself, which a node never leaves, and what it says of other nodes' deaths:
 * node 1 owns the console once node 0 is dead.
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
#include "tests/unit/world/dispatch_world.h"
#include "tests/unit/world/fake_platform.h"

static jmp_buf out_of_the_loop;
static bool was_printed_at_once;
static unsigned dead_count;
static node_id_t dead[4];

static bool is_printed(const char *text)
{
    return strstr(fake_console(), text) != NULL;
}

static void note_death(node_id_t node)
{
    assert_true(dead_count < ARRAY_COUNT(dead));
    dead[dead_count++] = node;
}

static void leave_the_loop(void)
{
    fake_on_sleep(NULL);
    longjmp(out_of_the_loop, 1);
}

static unsigned log_a_line(void *context)
{
    bool *is_first = context;

    if (!*is_first) {
        return 0;
    }
    *is_first = false;
    log_info("test", "a line of the first round");
    was_printed_at_once = is_printed("a line of the first round");
    return 1;
}

static void run_until_it_sleeps(void)
{
    fake_on_sleep(leave_the_loop);
    if (setjmp(out_of_the_loop) == 0) {
        dispatch_run();
    }
    status_set_sleep(NODE_AWAKE);
}

/* What happened before this node could take an interrupt is found without one. */
static void a_death_before_the_loop_began_is_found(void **state)
{
    (void)state;
    dead_count = 0;
    dispatch_register_node_down(note_death);
    fake_status_page(2)->state = NODE_DEAD;
    run_until_it_sleeps();
    assert_int_equal(dead_count, 1);
    assert_int_equal(dead[0], 2);
}

/* Printing takes long: a line is printed where it comes until the loop runs, and then before the
 * node sleeps. */
static void lines_are_printed_between_rounds_while_the_loop_runs(void **state)
{
    static bool is_first;
    static struct dispatch_source source = {.poll = log_a_line, .context = &is_first};

    (void)state;
    fake_set_node_state(0, NODE_DEAD);
    log_info("test", "a line before the loop");
    assert_true(is_printed("a line before the loop"));
    is_first = true;
    was_printed_at_once = true;
    dispatch_register_source(&source);
    run_until_it_sleeps();
    assert_false(was_printed_at_once);
    assert_true(is_printed("a line of the first round"));
}

/* The test before this one has left a loop. */
static void a_node_that_starts_prints_at_once_again(void **state)
{
    (void)state;
    fake_set_node_state(0, NODE_DEAD);
    log_info("test", "a line of the next start");
    assert_true(is_printed("a line of the next start"));
}

/* All nodes notice a death, and one says it. */
static void a_death_is_logged_by_the_consoles_owner_alone(void **state)
{
    (void)state;
    kill_node_2();
    dispatch_sleep();
    assert_int_equal(status_log_written(NODE), 0);
    fake_set_node_state(0, NODE_DEAD);
    dispatch_sleep();
    (void)dispatch_round();
    assert_true(is_printed("dispatch: node0 is dead"));
    assert_false(is_printed("node2 is dead"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start_dispatcher, finish_dispatcher)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_death_before_the_loop_began_is_found),
        TEST(lines_are_printed_between_rounds_while_the_loop_runs),
        TEST(a_node_that_starts_prints_at_once_again),
        TEST(a_death_is_logged_by_the_consoles_owner_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
