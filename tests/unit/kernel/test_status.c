/* SPDX-License-Identifier: MIT */
/* sources: kernel/message/status.c kernel/message/channel.c tests/unit/world/fake_platform.c */
/* sources: tests/unit/world/fake_memory.c */
/*
 * Tests kernel/message/status.c: other nodes' log at the edge of what can still be read, their
 * idle time, who is dead, and what nodes tell each other besides.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/message/status.h"
#include "tests/unit/world/fake_platform.h"

#define SELF       0
#define OTHER      1
#define LINE_BYTES 64u

static int set_up(void **state)
{
    (void)state;
    fake_platform_reset(SELF, 2);
    status_initialise();
    return 0;
}

static void append_line(unsigned number)
{
    char line[LINE_BYTES + 1];

    assert_int_equal(snprintf(line, sizeof(line), "%063u\n", number), LINE_BYTES);
    (void)status_log_append(line, LINE_BYTES, status_log_written(SELF));
}

/* Reads one line from there on; returns its number, or UINT32_MAX when there was none. */
static uint32_t read_line(uint32_t *position)
{
    char line[LINE_BYTES + 1] = {0};
    size_t bytes = status_log_read(SELF, position, line, LINE_BYTES);
    unsigned number;

    if (bytes == 0) {
        return UINT32_MAX;
    }
    assert_int_equal(bytes, LINE_BYTES);
    assert_int_equal(line[LINE_BYTES - 1], '\n');
    assert_int_equal(sscanf(line, "%u", &number), 1);
    return number;
}

/* The last byte that is safe from the next line can be read; the one before it cannot. */
static void lines_are_read_up_to_where_the_next_may_overwrite_them(void **state)
{
    uint32_t readable = 0;

    (void)state;
    for (unsigned number = 0; number < 3 * STATUS_LOG_BYTES / LINE_BYTES; number++) {
        append_line(number);
    }
    uint32_t written = status_log_written(SELF);

    /* As far back as a line comes from where it is asked for. */
    for (uint32_t back = LINE_BYTES; back <= STATUS_LOG_BYTES; back += LINE_BYTES) {
        uint32_t position = written - back;

        if (read_line(&position) == (written - back) / LINE_BYTES) {
            readable = back;
        }
    }
    assert_in_range(readable, STATUS_LOG_BYTES / 2, STATUS_LOG_BYTES - LINE_BYTES);
    /* From further back it goes on with the oldest whole one, however far that is. */
    for (uint32_t back = readable + 1; back < 3 * STATUS_LOG_BYTES; back += 1000) {
        uint32_t position = written - back;

        assert_int_equal(read_line(&position), (written - readable) / LINE_BYTES);
    }
    /* The margin is a whole one: no line that can be read is touched by the longest next one. */
    assert_int_equal((STATUS_LOG_BYTES - readable) % 256, 0);
    uint32_t end = written;

    assert_int_equal(read_line(&end), UINT32_MAX);
    assert_int_equal(end, written);
}

/* Of a node that sleeps it goes on; a reader whose clock is a little behind sees none, not an age.
 */
static void idle_time_of_a_sleeper_is_up_to_now(void **state)
{
    uint64_t *word = &fake_status_page(OTHER)->counters[COUNTER_IDLE_NS];

    (void)state;
    fake_advance_ns(1000);
    uint64_t now_ns = platform_now_ns();

    *word = 700;
    assert_int_equal(counter_read(OTHER, COUNTER_IDLE_NS), 700);
    *word = 700 - (now_ns - 50) - 1; /* since 50 ns ago */
    assert_int_equal(counter_read(OTHER, COUNTER_IDLE_NS), 750);
    *word = 0 - (now_ns + 50) - 1;
    assert_int_equal(counter_read(OTHER, COUNTER_IDLE_NS), 0);
}

/* --- Who is dead --- */

static void become(node_id_t node, unsigned node_count)
{
    fake_platform_reset(node, node_count);
    status_initialise();
}

static void a_node_that_is_lost_is_dead_whatever_it_says(void **state)
{
    (void)state;
    become(1, 4);
    status_lose(2);
    assert_int_equal(status_node_state(2), NODE_DEAD);
    assert_int_equal(status_own_word(2), NODE_RUNNING);
    assert_int_equal(status_node_state(3), NODE_RUNNING);
}

static void one_that_is_dead_may_still_hold_the_console(void **state)
{
    (void)state;
    fake_status_page(OTHER)->state = NODE_DEAD_WITH_CONSOLE;
    assert_int_equal(status_node_state(OTHER), NODE_DEAD);
    assert_true(status_is_holding_console(OTHER));
    fake_status_page(OTHER)->state = NODE_DEAD;
    assert_int_equal(status_node_state(OTHER), NODE_DEAD);
    assert_false(status_is_holding_console(OTHER));
    fake_status_page(OTHER)->state = UINT32_MAX; /* by a node that has gone mad */
    assert_int_equal(status_node_state(OTHER), NODE_DEAD);
    assert_false(status_is_holding_console(OTHER));
}

/* Whom a node has given up, also beyond the first word. What it says of nodes that do not exist is
 * not looked at. */
static void nodes_tell_whom_they_have_given_up(void **state)
{
    struct node_set nodes;

    (void)state;
    become(3, 128);
    status_declare_dead(0);
    status_declare_dead(63);
    status_declare_dead(100);
    nodes = status_declared_dead_by(3);
    for (unsigned node = 0; node < 128; node++) {
        assert_int_equal(node_set_has(&nodes, (node_id_t)node),
                         node == 0 || node == 63 || node == 100);
    }
    become(3, 64);
    memset(&fake_status_page(5)->declared_dead, 0xFF, sizeof(struct node_set));
    nodes = status_declared_dead_by(5);
    assert_true(node_set_has(&nodes, 63));
    for (unsigned node = 64; node < NODE_MAX; node++) {
        assert_false(node_set_has(&nodes, (node_id_t)node));
    }
}

static void attention_is_sent_to_all_others_that_run(void **state)
{
    (void)state;
    become(2, 5);
    fake_status_page(1)->state = NODE_STARTING;
    fake_status_page(3)->state = NODE_DEAD;
    status_send_attention();
    for (unsigned node = 0; node < 5; node++) {
        assert_int_equal(fake_attentions((node_id_t)node), node == 0 || node == 4);
    }
}

/* --- What else they tell --- */

static void each_node_has_words_and_memory_of_its_own(void **state)
{
    (void)state;
    status_set_word(STATUS_WORD_DATE, UINT64_MAX - 1);
    fake_status_page(OTHER)->words[STATUS_WORD_CLOCK] = 77;
    assert_int_equal(status_word(SELF, STATUS_WORD_DATE), UINT64_MAX - 1);
    assert_int_equal(status_word(SELF, STATUS_WORD_CLOCK), 0);
    assert_int_equal(status_word(OTHER, STATUS_WORD_CLOCK), 77);
    fake_status_page(OTHER)->memory_bytes = 5 * GIB;
    assert_int_equal(status_memory_bytes(OTHER), 5 * GIB);
}

static void the_next_owner_of_the_console_finds_how_far_each_log_is_printed(void **state)
{
    (void)state;
    status_log_set_printed(OTHER, 4711);
    fake_status_page(OTHER)->for_nodes[SELF].log_printed = 99;
    assert_int_equal(status_log_printed(SELF, OTHER), 4711);
    assert_int_equal(status_log_printed(SELF, SELF), 0);
    assert_int_equal(status_log_printed(OTHER, SELF), 99);
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(lines_are_read_up_to_where_the_next_may_overwrite_them),
        TEST(idle_time_of_a_sleeper_is_up_to_now),
        TEST(a_node_that_is_lost_is_dead_whatever_it_says),
        TEST(one_that_is_dead_may_still_hold_the_console),
        TEST(nodes_tell_whom_they_have_given_up),
        TEST(attention_is_sent_to_all_others_that_run),
        TEST(each_node_has_words_and_memory_of_its_own),
        TEST(the_next_owner_of_the_console_finds_how_far_each_log_is_printed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
