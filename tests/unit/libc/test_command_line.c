/* SPDX-License-Identifier: MIT */
/* sources: libc/core/command_line.c */
/*
 * Tests libc/core/command_line.c.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "libc/core/command_line.h"

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

static void number_is_taken_within_its_bounds_or_left_alone(void **state)
{
    uint64_t value = 77;

    (void)state;
    assert_int_equal(command_line_number("a=1 b=12 b=9", "b", 9, &value), 0);
    assert_int_equal(value, 9);
    assert_int_equal(command_line_number("a=1 b=0", "b", 9, &value), 0);
    assert_int_equal(value, 0);
    value = 77;
    assert_int_equal(command_line_number("a=1", "b", 9, &value), -ENOENT);
    assert_int_equal(command_line_number("b=10", "b", 9, &value), -EINVAL);
    assert_int_equal(command_line_number("b=", "b", 9, &value), -EINVAL);
    assert_int_equal(command_line_number("b=1x", "b", 9, &value), -EINVAL);
    assert_int_equal(value, 77);
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

static void unknown_words_come_one_after_the_other(void **state)
{
    static const char *const known[] = {"net", "log", NULL};
    const char *cursor = "net=1 log=info -- more words=5";
    const char *word;

    (void)state;
    assert_int_equal(command_line_next_unknown(&cursor, known, &word), -ENOENT);
    cursor = "net=1 nett=2 quiet log";
    assert_int_equal(command_line_next_unknown(&cursor, known, &word), 6);
    assert_memory_equal(word, "nett=2", 6);
    assert_int_equal(command_line_next_unknown(&cursor, known, &word), 5);
    assert_memory_equal(word, "quiet", 5);
    /* A known key alone has no value to find. */
    assert_int_equal(command_line_next_unknown(&cursor, known, &word), 3);
    assert_memory_equal(word, "log", 3);
    assert_int_equal(command_line_next_unknown(&cursor, known, &word), -ENOENT);
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
        cmocka_unit_test(value_is_found_wherever_its_word_stands),
        cmocka_unit_test(number_is_taken_within_its_bounds_or_left_alone),
        cmocka_unit_test(value_may_be_empty),
        cmocka_unit_test(last_of_several_counts),
        cmocka_unit_test(words_of_one_key_come_one_after_the_other),
        cmocka_unit_test(absent_key_is_not_found),
        cmocka_unit_test(key_without_equals_has_no_value),
        cmocka_unit_test(words_behind_two_dashes_are_the_applications),
        cmocka_unit_test(copy_is_zero_terminated_and_fits_or_is_refused),
        cmocka_unit_test(unknown_words_come_one_after_the_other),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
