/* SPDX-License-Identifier: MIT */
/* sources: apps/syslog/line.c libc/core/numbers.c */
/*
 * Tests apps/syslog/line.c: lines of the log as they stand in a ring, and anything else.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "apps/syslog/line.h"
#include "kernel/base.h"
#include "kernel/log.h"

static struct syslog_line line;
static char *copy;

/* Where it ends is memory's end: the sanitizer finds who reads on. */
static void read_bytes(const char *text, size_t bytes)
{
    free(copy);
    copy = malloc(bytes != 0 ? bytes : 1);
    assert_non_null(copy);
    memcpy(copy, text, bytes);
    syslog_read_line(&line, copy, bytes);
}

static void read(const char *text)
{
    read_bytes(text, strlen(text));
}

static int tear_down(void **state)
{
    (void)state;
    free(copy);
    copy = NULL;
    return 0;
}

static void assert_text(const char *text)
{
    assert_int_equal(line.text_bytes, strlen(text));
    assert_memory_equal(line.text, text, strlen(text));
}

static void a_line_has_level_time_part_and_text(void **state)
{
    static const struct {
        char mark;
        enum syslog_severity severity;
    } levels[] = {
        {LOG_MARK + LOG_ERROR, SYSLOG_ERROR},
        {LOG_MARK + LOG_WARNING, SYSLOG_WARNING},
        {LOG_MARK + LOG_INFO, SYSLOG_INFO},
        {LOG_MARK + LOG_DEBUG, SYSLOG_DEBUG},
        {'[', SYSLOG_INFO}, /* what boot writes in a node's place */
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(levels); i++) {
        char text[] = "x   12.000345] node3 ts: a: b ]\n";

        text[0] = levels[i].mark;
        read(text);
        assert_int_equal(line.severity, levels[i].severity);
        assert_false(line.has_date);
        assert_int_equal(line.time_ns, 12 * NS_PER_S + 345 * NS_PER_US);
        assert_string_equal(line.application, "ts");
        assert_text("a: b ]");
    }
}

static void a_line_may_have_a_date(void **state)
{
    static const struct {
        const char *text;
        uint64_t seconds;
    } dates[] = {
        {"[1970-01-01T00:00:00.000001Z] node0 ls: x", 0},
        {"[2000-02-29T12:00:00.000001Z] node0 ls: x", 951825600},
        {"[2000-03-01T00:00:00.000001Z] node0 ls: x", 951868800},
        {"[2026-12-31T23:59:59.000001Z] node0 ls: x", 1798761599},
        {"[2100-03-01T00:00:00.000001Z] node0 ls: x", 4107542400},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(dates); i++) {
        read(dates[i].text);
        assert_true(line.has_date);
        assert_true(line.time_ns == dates[i].seconds * NS_PER_S + NS_PER_US);
        assert_string_equal(line.application, "ls");
        assert_text("x");
    }
}

/* By a node that has written over its page, or by nobody: it is told as it is. */
static void what_is_no_line_is_a_text(void **state)
{
    static const char *const others[] = {
        "",
        "x",
        "[",
        "[]",
        "[   1.000000]",
        "[   1.000000] ",
        "[   1.00000] node1 ts: x",
        "[   1.0000000] node1 ts: x",
        "[   1,000000] node1 ts: x",
        "[99999999999999999999.000000] node1 ts: x",
        "[   1.000000]node1 ts: x",
        "[   1.000000] nod1 ts: x",
        "[   1.000000] node ts: x",
        "[   1.000000] node1  ts: x",
        "[   1.000000] node1 ts:x",
        "[   1.000000] node1 : x",
        "[   1.000000] node1 ts x",
        "[2026-13-01T00:00:00.000000Z] node1 ts: x",
        "[2026-12-01 00:00:00.000000Z] node1 ts: x",
        "[2026-12-01T24:00:00.000000Z] node1 ts: x",
        "[   1.000000] node1 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa: x",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(others); i++) {
        read(others[i]);
        assert_int_equal(line.severity, SYSLOG_INFO);
        assert_int_equal(line.time_ns, 0);
        assert_false(line.has_date);
        assert_string_equal(line.application, "");
        assert_text(others[i]);
    }
    read("\2nonsense\n"); /* but for its level, and its end */
    assert_int_equal(line.severity, SYSLOG_WARNING);
    assert_text("nonsense");
}

static void lines_may_end_anywhere(void **state)
{
    static const char whole[] = "[   12.000345] node3 ts: text\n";

    (void)state;
    for (size_t bytes = 0; bytes < sizeof(whole); bytes++) {
        read_bytes(whole, bytes);
        assert_true(line.text >= copy && line.text + line.text_bytes <= copy + bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_line_has_level_time_part_and_text, tear_down),
        cmocka_unit_test_teardown(a_line_may_have_a_date, tear_down),
        cmocka_unit_test_teardown(what_is_no_line_is_a_text, tear_down),
        cmocka_unit_test_teardown(lines_may_end_anywhere, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
