/* SPDX-License-Identifier: MIT */
/* sources: kernel/command_line.c kernel/log.c libc/core/format.c kernel/message/status.c */
/* sources: kernel/message/channel.c tests/unit/world/fake_platform.c tests/unit/world/fake_memory.c */
/*
 * Tests kernel/command_line.c.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/command_line.h"
#include "kernel/log.h"
#include "tests/unit/world/fake_platform.h"

static int set_up(void **state)
{
    (void)state;
    fake_platform_reset(0, 1);
    log_defer_printing(false);
    return 0;
}

static void assert_value(const char *line, const char *key, const char *expected)
{
    const char *value = NULL;
    int length = command_line_find(line, key, &value);

    assert_int_equal(length, strlen(expected));
    assert_memory_equal(value, expected, strlen(expected));
}

static void assert_absent(const char *line, const char *key)
{
    const char *value;

    assert_int_equal(command_line_find(line, key, &value), -ENOENT);
}

static void value_is_found_wherever_its_word_stands(void **state)
{
    (void)state;
    assert_value("net=dhcp", "net", "dhcp");
    assert_value("a=1 net=dhcp b=2", "net", "dhcp");
    assert_value("  \t a=1 \n net=dhcp   ", "net", "dhcp");
    assert_value("net=192.0.2.10/24,gw=192.0.2.1", "net", "192.0.2.10/24,gw=192.0.2.1");
}

static void value_may_be_empty(void **state)
{
    (void)state;
    assert_value("net= log=info", "net", "");
    assert_value("net=", "net", "");
}

static void last_of_several_counts(void **state)
{
    (void)state;
    assert_value("log=info log=debug", "log", "debug");
}

static void absent_key_is_not_found(void **state)
{
    (void)state;
    assert_absent("", "net");
    assert_absent("   ", "net");
    assert_absent("nets=1 ne=2 xnet=3 NET=4", "net");
    assert_absent("a=net=1", "net");
    assert_absent("=1", "net");
    assert_absent("=net", "net");
}

static void key_without_equals_has_no_value(void **state)
{
    (void)state;
    assert_absent("net", "net");
    assert_value("net=1 net", "net", "1");
}

static void words_behind_two_dashes_are_the_applications(void **state)
{
    (void)state;
    assert_absent("-- net=1", "net");
    assert_value("net=1 -- net=2", "net", "1");
    assert_value("--- net=1", "net", "1");
    assert_value("--x net=1", "net", "1");
    assert_absent("--", "net");
}

static void copy_is_zero_terminated_and_fits_or_is_refused(void **state)
{
    (void)state;
    char text[5];

    assert_int_equal(command_line_copy("net=dhcp", "net", text, sizeof(text)), 4);
    assert_string_equal(text, "dhcp");
    assert_int_equal(command_line_copy("net=dhcp6", "net", text, sizeof(text)), -ENAMETOOLONG);
    assert_int_equal(command_line_copy("net=", "net", text, 1), 0);
    assert_string_equal(text, "");
    assert_int_equal(command_line_copy("net=x", "log", text, sizeof(text)), -ENOENT);
}

static void unknown_words_are_reported(void **state)
{
    (void)state;
    static const char *const known[] = {"net", "log", NULL};

    assert_int_equal(command_line_report_unknown("net=1 log=info -- more words=5", known), 0);
    assert_string_equal(fake_console(), "");
    assert_int_equal(command_line_report_unknown("net=1 nett=2 quiet log", known), 3);
    assert_non_null(strstr(fake_console(), "ignored `nett=2`"));
    assert_non_null(strstr(fake_console(), "ignored `quiet`"));
    assert_non_null(strstr(fake_console(), "ignored `log`"));
}

/* It comes from outside: control characters do not reach the terminal. */
static void reported_word_is_made_printable(void **state)
{
    (void)state;
    static const char *const known[] = {NULL};

    assert_int_equal(command_line_report_unknown("\x1b[31mred=\xff", known), 1);
    assert_non_null(strstr(fake_console(), "ignored `?[31mred=?`"));
}

static void words_of_one_key_come_one_after_the_other(void **state)
{
    const char *cursor = "console=fb log=debug console= console console=ttyS0 -- console=x";
    const char *value;

    (void)state;
    assert_int_equal(command_line_next(&cursor, "console", &value), 2);
    assert_memory_equal(value, "fb", 2);
    assert_int_equal(command_line_next(&cursor, "console", &value), 0);
    assert_int_equal(command_line_next(&cursor, "console", &value), 5);
    assert_memory_equal(value, "ttyS0", 5);
    assert_int_equal(command_line_next(&cursor, "console", &value), -ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(value_is_found_wherever_its_word_stands, set_up),
        cmocka_unit_test_setup(value_may_be_empty, set_up),
        cmocka_unit_test_setup(last_of_several_counts, set_up),
        cmocka_unit_test_setup(words_of_one_key_come_one_after_the_other, set_up),
        cmocka_unit_test_setup(absent_key_is_not_found, set_up),
        cmocka_unit_test_setup(key_without_equals_has_no_value, set_up),
        cmocka_unit_test_setup(words_behind_two_dashes_are_the_applications, set_up),
        cmocka_unit_test_setup(copy_is_zero_terminated_and_fits_or_is_refused, set_up),
        cmocka_unit_test_setup(unknown_words_are_reported, set_up),
        cmocka_unit_test_setup(reported_word_is_made_printable, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
