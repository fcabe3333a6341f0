/* SPDX-License-Identifier: MIT */
/* sources: apps/syslog/message.c */
/*
 * Tests apps/syslog/message.c: RFC 5424's form, whatever its parts are.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "apps/syslog/message.h"

static char text[2048];

static const char *write_message(const struct syslog_message *message, size_t size)
{
    struct output output;

    output_start(&output, text, size);
    syslog_append(&output, message);
    return text;
}

static void a_message_has_every_part_in_its_place(void **state)
{
    const struct syslog_message message = {.facility = SYSLOG_LOCAL7,
                                           .severity = SYSLOG_INFO,
                                           .time = {1767225600 + 86399, 5003000},
                                           .host = "192.0.2.2",
                                           .application = "httpd",
                                           .process = "node3",
                                           .kind = "access",
                                           .text = "all of it\nand more",
                                           .text_bytes = 9};

    (void)state;
    assert_string_equal(
        write_message(&message, sizeof(text)),
        "<190>1 2026-01-01T23:59:59.005003Z 192.0.2.2 httpd node3 access - all of it");
}

static void what_is_not_known_is_nil(void **state)
{
    const struct syslog_message message = {.facility = SYSLOG_KERNEL,
                                           .severity = SYSLOG_ERROR,
                                           .time = {INT64_MIN / 2, 0},
                                           .host = ""};

    (void)state;
    assert_string_equal(write_message(&message, sizeof(text)), "<3>1 - - - - - -");
}

/* RFC 5424 6: PRINTUSASCII, and so many of them. */
static void names_are_one_word_and_cut(void **state)
{
    char longest[400];
    struct syslog_message message = {.time = {0, 0}, .host = "a b\tc\x80", .application = longest};
    const char *application;

    (void)state;
    memset(longest, 'n', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    application = strstr(write_message(&message, sizeof(text)), " a?b?c? ");
    assert_non_null(application);
    assert_int_equal(strspn(application + strlen(" a?b?c? "), "n"), 48);
    assert_string_equal(application + strlen(" a?b?c? ") + 48, " - - -");
    message = (struct syslog_message){.host = longest, .process = longest, .kind = longest};
    (void)write_message(&message, sizeof(text));
    assert_int_equal(strlen(text),
                     strlen("<0>1 1970-01-01T00:00:00.000000Z  -   -") + 255 + 128 + 32);
}

static void what_is_not_printable_is_replaced(void **state)
{
    const struct syslog_message message = {.text = "a\0b\r\n\x7F\xFF"
                                                   "c",
                                           .text_bytes = 8};

    (void)state;
    assert_non_null(strstr(write_message(&message, sizeof(text)), " - a?b????c"));
}

static void a_text_that_does_not_fit_is_cut(void **state)
{
    const struct syslog_message message = {.text = "0123456789", .text_bytes = 10};
    struct output output;

    (void)state;
    for (size_t size = 1; size < 60; size++) {
        memset(text, 'x', sizeof(text));
        output_start(&output, text, size);
        syslog_append(&output, &message);
        assert_int_equal(strlen(text), output_fitting_bytes(&output));
        assert_int_equal(output_is_cut(&output), output.length >= size);
        assert_int_equal(text[size], 'x');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_has_every_part_in_its_place),
        cmocka_unit_test(what_is_not_known_is_nil),
        cmocka_unit_test(names_are_one_word_and_cut),
        cmocka_unit_test(what_is_not_printable_is_replaced),
        cmocka_unit_test(a_text_that_does_not_fit_is_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
