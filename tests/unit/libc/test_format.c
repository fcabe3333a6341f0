/* SPDX-License-Identifier: MIT */
/* flags: -Wno-format -Wno-format-security */
/*
 * Tests libc/core/format.c against the host's snprintf.
 */
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/base.h"
#include "libc/core/format.h"

#define TEXT_BYTES 256

/* Both must write the same text and return the same length, into any room. */
static void compare(const char *format, ...)
{
    static const size_t sizes[] = {TEXT_BYTES, 0, 1, 2, 5, 20};

    for (size_t i = 0; i < ARRAY_COUNT(sizes); i++) {
        char expected[TEXT_BYTES];
        char text[TEXT_BYTES];
        va_list arguments;

        memset(expected, '~', sizeof(expected));
        memset(text, '~', sizeof(text));
        va_start(arguments, format);
        int expected_length = vsnprintf(expected, sizes[i], format, arguments);
        va_end(arguments);
        va_start(arguments, format);
        int length = format_text_v(text, sizes[i], format, arguments);
        va_end(arguments);

        if (length != expected_length || memcmp(text, expected, sizeof(text)) != 0) {
            fail_msg("\"%s\" in %zu bytes: %d \"%.*s\", expected %d \"%.*s\"", format, sizes[i],
                     length, (int)sizes[i], text, expected_length, (int)sizes[i], expected);
        }
    }
}

static void plain_text_is_copied(void **state)
{
    (void)state;
    compare("");
    compare("plain");
    compare("100%%");
    compare("%%%%");
}

static const char *const widths[] = {"", "1", "5", "12", "30"};
static const char *const precisions[] = {"", ".", ".0", ".1", ".4", ".15", ".25"};
static const char *const all_flags = "-0+ #";

/* Every set of flags, with every width and precision. */
static void for_all_formats(const char *length, char letter, void (*check)(const char *format))
{
    for (unsigned set = 0; set < 32; set++) {
        for (size_t width = 0; width < ARRAY_COUNT(widths); width++) {
            for (size_t precision = 0; precision < ARRAY_COUNT(precisions); precision++) {
                char format[32] = "<%";

                for (unsigned flag = 0; flag < 5; flag++) {
                    if ((set & 1u << flag) != 0) {
                        strncat(format, &all_flags[flag], 1);
                    }
                }
                strcat(format, widths[width]);
                strcat(format, precisions[precision]);
                strcat(format, length);
                strncat(format, &letter, 1);
                strcat(format, ">");
                check(format);
            }
        }
    }
}

static void check_int(const char *format)
{
    compare(format, 0);
    compare(format, 1);
    compare(format, -1);
    compare(format, 123456);
    compare(format, INT_MAX);
    compare(format, INT_MIN);
}

static void check_long(const char *format)
{
    compare(format, 0l);
    compare(format, -1l);
    compare(format, 1234567890123l);
    compare(format, LONG_MAX);
    compare(format, LONG_MIN);
}

static void integers_are_as_c_says(void **state)
{
    (void)state;
    for (const char *letter = "diuoxX"; *letter != '\0'; letter++) {
        for_all_formats("", *letter, check_int);
        for_all_formats("h", *letter, check_int);
        for_all_formats("hh", *letter, check_int);
        for_all_formats("l", *letter, check_long);
        for_all_formats("ll", *letter, check_long);
        for_all_formats("z", *letter, check_long);
        for_all_formats("t", *letter, check_long);
        for_all_formats("j", *letter, check_long);
    }
}

static void check_string(const char *format)
{
    compare(format, "");
    compare(format, "a");
    compare(format, "some longer text");
}

static void strings_are_as_c_says(void **state)
{
    (void)state;
    for_all_formats("", 's', check_string);
    compare("%s and %s", "one", "two");
}

static void string_with_a_precision_need_not_end(void **state)
{
    (void)state;
    static const char text[3] = {'a', 'b', 'c'};

    compare("<%.3s>", text);
    compare("<%.*s>", 2, text);
}

static void null_is_shown(void **state)
{
    (void)state;
    char text[16];

    assert_int_equal(format_text(text, sizeof(text), "<%s>", (char *)NULL), 8);
    assert_string_equal(text, "<(null)>");
}

static void characters_are_as_c_says(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(widths); i++) {
        char format[16];

        snprintf(format, sizeof(format), "<%%%sc>", widths[i]);
        compare(format, 'x');
        snprintf(format, sizeof(format), "<%%-%sc>", widths[i]);
        compare(format, 'x');
    }
    compare("<%c>", '\0');
}

static void pointers_are_hexadecimal(void **state)
{
    (void)state;
    char text[32];

    compare("%p", (void *)0x1234);
    compare("<%20p>", (void *)(uintptr_t)0xFFFFFFFF80001000);
    compare("<%-20p>", (void *)1);
    assert_int_equal(format_text(text, sizeof(text), "%p", NULL), 3);
    assert_string_equal(text, "0x0");
}

static void width_and_precision_may_be_arguments(void **state)
{
    (void)state;
    compare("<%*d>", 8, 42);
    compare("<%*d>", -8, 42);
    compare("<%-*d>", -8, 42);
    compare("<%0*d>", 8, -42);
    compare("<%.*d>", 5, 42);
    compare("<%.*d>", -5, 42);
    compare("<%*.*s>", 8, 2, "abc");
}

static void arguments_are_taken_in_order(void **state)
{
    (void)state;
    compare("%d %ld %s %hhd %llu %c %x %zu %% %d", 1, 2l, "three", 300, 5ull, '6', 7u, (size_t)8,
            9);
}

/* A mistake in a format is seen, not followed. */
static void unknown_conversion_is_shown_as_it_stands(void **state)
{
    (void)state;
    char text[32];

    assert_int_equal(format_text(text, sizeof(text), "<%-5k %d>", 7), 8);
    assert_string_equal(text, "<%-5k 7>");
    assert_int_equal(format_text(text, sizeof(text), "end %"), 5);
    assert_string_equal(text, "end %");
    assert_int_equal(format_text(text, sizeof(text), "end %08l"), 8);
    assert_string_equal(text, "end %08l");
}

static void absurd_widths_stay_in_the_buffer(void **state)
{
    (void)state;
    char text[8];

    assert_true(format_text(text, sizeof(text), "%99999d", 1) == 99999);
    assert_string_equal(text, "       ");
    assert_int_equal(format_text(text, sizeof(text), "%99999999999999999999d", 1), INT_MAX);
    /* A length that is no int used to halt the node. */
    assert_int_equal(format_text(text, sizeof(text), "%*d%d", INT_MAX, 1, 2), -EOVERFLOW);
    assert_int_equal(format_text(text, sizeof(text), "%*d%*d", INT_MAX, 1, INT_MAX, 1), -EOVERFLOW);
    assert_string_equal(text, "       ");
}

static void nothing_is_written_into_no_room(void **state)
{
    (void)state;
    assert_int_equal(format_text(NULL, 0, "%d %s", 12345, "text"), 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_text_is_copied),
        cmocka_unit_test(integers_are_as_c_says),
        cmocka_unit_test(strings_are_as_c_says),
        cmocka_unit_test(string_with_a_precision_need_not_end),
        cmocka_unit_test(null_is_shown),
        cmocka_unit_test(characters_are_as_c_says),
        cmocka_unit_test(pointers_are_hexadecimal),
        cmocka_unit_test(width_and_precision_may_be_arguments),
        cmocka_unit_test(arguments_are_taken_in_order),
        cmocka_unit_test(unknown_conversion_is_shown_as_it_stands),
        cmocka_unit_test(absurd_widths_stay_in_the_buffer),
        cmocka_unit_test(nothing_is_written_into_no_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
