/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/log_world.c */
/*
 * Tests kernel/log.c, and the log ring of kernel/message/status.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/console/log_printer.h"
#include "kernel/log.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "tests/unit/world/fake_platform.h"
#include "tests/unit/world/log_world.h"

static void line_has_time_node_and_subsystem(void **state)
{
    (void)state;
    become(0, 4);
    fake_set_now_ns(123456789);
    log_info("ts", "%d connections", 5);
    assert_string_equal(fake_console(), "[    0.123456] node0 ts: 5 connections\n");
}

static void levels_above_the_chosen_one_are_silent(void **state)
{
    (void)state;
    become(0, 1);
    log_debug("ts", "no");
    log_set_filter(LOG_WARNING, NULL);
    log_info("ts", "no");
    assert_string_equal(fake_console(), "");
    assert_false(log_take_unannounced());
    log_warning("ts", "yes");
    log_error("ts", "yes");
    assert_int_equal(count_lines(fake_console()), 2);
}

static bool is_not_loud(enum log_level level, const char *subsystem)
{
    return level < LOG_DEBUG || strcmp(subsystem, "loud") != 0;
}

static void a_filter_decides_below_the_highest_level(void **state)
{
    (void)state;
    become(0, 1);
    log_set_filter(LOG_DEBUG, is_not_loud);
    log_debug("loud", "no");
    log_info("loud", "yes");
    log_debug("ts", "yes");
    assert_int_equal(count_lines(fake_console()), 2);
}

static void long_line_is_cut_and_stays_a_line(void **state)
{
    (void)state;
    char text[2 * LOG_LINE_MAX_BYTES];

    become(0, 1);
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    log_info("ts", "%s", text);
    assert_int_equal(strlen(fake_console()), LOG_LINE_MAX_BYTES);
    assert_int_equal(count_lines(fake_console()), 1);
    log_info(text, "a subsystem's name as long");
    assert_int_equal(strlen(fake_console()), 2 * LOG_LINE_MAX_BYTES);
    assert_int_equal(count_lines(fake_console()), 2);
}

static void what_is_not_printable_is_replaced(void **state)
{
    (void)state;
    become(0, 1);
    log_info("ts", "a\nb\x1b[2J\xc3\xa4");
    assert_string_equal(fake_console(), "[    0.000000] node0 ts: a?b?[2J??\n");
}

static void only_the_lowest_living_node_prints(void **state)
{
    (void)state;
    become(1, 3);
    assert_int_equal(log_console_owner(), 0);
    log_info("ts", "line");
    assert_string_equal(fake_console(), "");
    assert_true(log_take_unannounced());
    assert_false(log_take_unannounced());
    fake_set_node_state(0, NODE_DEAD);
    assert_int_equal(log_console_owner(), 1);
    assert_int_equal(log_printer_print(), 1);
    assert_int_equal(count_lines(fake_console()), 1);
    fake_set_node_state(1, NODE_ABSENT);
    fake_set_node_state(2, NODE_DEAD);
    assert_int_equal(log_console_owner(), NODE_NONE);
}

static void owner_prints_the_lines_of_others_once(void **state)
{
    (void)state;
    become(0, 2);
    write_as(1, "first\nsecond\n");
    assert_int_equal(log_printer_print(), 2);
    assert_int_equal(log_printer_print(), 0);
    assert_string_equal(fake_console(), "first\nsecond\n");
    write_as(1, "third\n");
    assert_int_equal(log_printer_print(), 1);
    assert_string_equal(fake_console(), "first\nsecond\nthird\n");
}

/* A node's death must neither repeat lines nor lose those that came just before. */
static void new_owner_goes_on_where_the_dead_one_stopped(void **state)
{
    (void)state;
    become(1, 3);
    write_as(0, "printed\nlast words\n");
    write_as(2, "one\ntwo\n");
    fake_status_page(0)->for_nodes[0].log_printed = 8;
    fake_status_page(0)->for_nodes[2].log_printed = 4;
    fake_set_node_state(0, NODE_DEAD);
    log_flush_all();
    assert_string_equal(fake_console(), "last words\ntwo\n");
}

static void overwritten_lines_are_passed_over_whole(void **state)
{
    (void)state;
    char line[64];

    become(0, 2);
    for (unsigned i = 0; i < 2000; i++) {
        snprintf(line, sizeof(line), "line number %u\n", i);
        write_as(1, line);
    }
    while (log_printer_print() != 0) {
    }
    assert_int_equal(strncmp(fake_console(), "line number ", 12), 0);
    assert_non_null(strstr(fake_console(), "\nline number 1999\n"));
    unsigned first = (unsigned)strtoul(fake_console() + 12, NULL, 10);
    assert_int_equal(count_lines(fake_console()), 2000 - first);
    /* Most of the ring was still good. */
    assert_true(strlen(fake_console()) > STATUS_LOG_BYTES / 2);
}

static void lost_lines_are_counted_by_their_writer(void **state)
{
    (void)state;
    become(1, 2);
    for (unsigned i = 0; i < 2000; i++) {
        log_info("ts", "line number %u", i);
    }
    uint64_t lost = counter_read(1, COUNTER_LOG_LOST);
    fake_set_node_state(0, NODE_DEAD);
    log_flush_all();
    assert_int_equal(lost + count_lines(fake_console()), 2000);

    /* None is lost while the owner keeps up. */
    become(0, 1);
    for (unsigned i = 0; i < 2000; i++) {
        log_info("ts", "line number %u", i);
    }
    assert_int_equal(counter_read(0, COUNTER_LOG_LOST), 0);
}

static void byte_count_wraps_unnoticed(void **state)
{
    (void)state;
    become(0, 2);
    fake_status_page(1)->log_written = UINT32_MAX - 5;
    fake_status_page(0)->for_nodes[1].log_printed = UINT32_MAX - 5;
    assert_int_equal(log_printer_print(), 0);
    assert_true(log_is_console_owner());
    write_as(1, "across the wrap\nbehind it\n");
    assert_int_equal(log_printer_print(), 2);
    assert_string_equal(fake_console(), "across the wrap\nbehind it\n");
}

/* A damaged node: a ring of bytes without an end of line, and a count that jumps. */
static void nonsense_in_a_log_ends(void **state)
{
    (void)state;
    become(0, 2);
    memset(fake_status_page(1)->log, 'x', STATUS_LOG_BYTES);
    fake_status_page(1)->log_written = 77777;
    for (unsigned i = 0; i < 10; i++) {
        (void)log_printer_print();
        fake_status_page(1)->log_written += 1234567;
    }
    (void)log_printer_print();
    assert_int_equal(log_printer_print(), 0);
}

static void failing_node_that_is_not_the_owner_tells_it(void **state)
{
    (void)state;
    become(1, 2);
    log_error("ts", "about to die");
    log_flush_all();
    assert_int_equal(fake_attentions(0), 1);
    assert_string_equal(fake_console(), "");
}

static void deferred_lines_wait_for_the_rounds_end(void **state)
{
    (void)state;
    become(0, 1);
    log_defer_printing(true);
    log_info("ts", "line");
    assert_string_equal(fake_console(), "");
    assert_true(log_take_unannounced());
    assert_int_equal(log_printer_print(), 1);
}

/* --- The end of a node --- */

static unsigned attentions_before; /* it wrote what its devices were slow to take */
static enum node_state state_before;

static void write_slowly(void)
{
    attentions_before = fake_attentions(1);
    state_before = status_node_state(platform_node());
    assert_true(status_is_holding_console(platform_node()));
}

static void do_nothing(void)
{
}

static void end_with_console(void)
{
    static const struct platform_console slow = {
        .print = log_printer_print,
        .write = fake_console_write,
        .write_through = write_slowly,
        .flush = do_nothing,
    };

    attentions_before = 0;
    state_before = NODE_ABSENT;
    platform_console = &slow;
    log_end();
    assert_int_equal(status_node_state(platform_node()), NODE_DEAD);
    assert_false(status_is_holding_console(platform_node()));
}

/* Its connections wait for nothing but that word, and its serial port may take seconds. */
static void a_dying_owner_says_so_before_its_console_is_written(void **state)
{
    (void)state;
    become(0, 3);
    fake_set_node_state(2, NODE_STARTING); /* looks for itself, later */
    log_defer_printing(true);
    log_error("panic", "last words");
    end_with_console();
    assert_int_equal(state_before, NODE_DEAD);
    assert_int_equal(attentions_before, 1);
    assert_int_equal(fake_attentions(2), 0);
    assert_string_equal(fake_console(), ""); /* node 1 prints them */
}

static void a_dying_node_without_the_console_only_says_so(void **state)
{
    (void)state;
    become(1, 2);
    fake_set_now_ns(1);
    end_with_console();
    assert_int_equal(state_before, NODE_ABSENT);
    assert_int_equal(fake_attentions(0), 1);
}

static void the_last_node_prints_its_own_last_words(void **state)
{
    (void)state;
    become(1, 2);
    fake_set_node_state(0, NODE_DEAD);
    write_as(0, "those of the one before\n");
    log_defer_printing(true);
    log_error("panic", "last words");
    end_with_console();
    assert_non_null(strstr(fake_console(), "those of the one before\n"));
    assert_non_null(strstr(fake_console(), "panic: last words\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(line_has_time_node_and_subsystem),
        cmocka_unit_test(levels_above_the_chosen_one_are_silent),
        cmocka_unit_test(a_filter_decides_below_the_highest_level),
        cmocka_unit_test(long_line_is_cut_and_stays_a_line),
        cmocka_unit_test(what_is_not_printable_is_replaced),
        cmocka_unit_test(only_the_lowest_living_node_prints),
        cmocka_unit_test(owner_prints_the_lines_of_others_once),
        cmocka_unit_test(new_owner_goes_on_where_the_dead_one_stopped),
        cmocka_unit_test(overwritten_lines_are_passed_over_whole),
        cmocka_unit_test(lost_lines_are_counted_by_their_writer),
        cmocka_unit_test(byte_count_wraps_unnoticed),
        cmocka_unit_test(nonsense_in_a_log_ends),
        cmocka_unit_test(failing_node_that_is_not_the_owner_tells_it),
        cmocka_unit_test(deferred_lines_wait_for_the_rounds_end),
        cmocka_unit_test(a_dying_owner_says_so_before_its_console_is_written),
        cmocka_unit_test(a_dying_node_without_the_console_only_says_so),
        cmocka_unit_test(the_last_node_prints_its_own_last_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
