/* SPDX-License-Identifier: MIT */
/* sources: apps/httpd/access_line.c */
/*
 * Tests apps/httpd/access_line.c: the combined format, and what clients put into it.
 */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "apps/httpd/access_line.h"

#define NOW_S 1767225600 /* 2026-01-01 00:00:00 */

static char text[4096];

static const char *write_line(const char *head, size_t head_bytes, size_t content_bytes,
                              size_t most_bytes)
{
    const struct access_entry entry = {.address = htonl(0xC0000201),
                                       .time_s = NOW_S,
                                       .head = head,
                                       .head_bytes = head_bytes,
                                       .status = 200,
                                       .content_bytes = content_bytes};
    struct output output;

    output_start(&output, text, sizeof(text));
    access_line_append(&output, &entry, most_bytes);
    assert_true(output.length <= most_bytes);
    return text;
}

static const char *line_of(const char *head)
{
    return write_line(head, strlen(head), 4, 1000);
}

#define START "192.0.2.1 - - [01/Jan/2026:00:00:00 +0000] "

static void a_request_is_one_line_of_the_combined_format(void **state)
{
    (void)state;
    assert_string_equal(line_of("GET /4b?x=1 HTTP/1.1\r\nHost: a\r\nuser-AGENT:  curl/8  \r\n"
                                "Referer:\thttp://b/\r\n\r\nUser-Agent: not this"),
                        START "\"GET /4b?x=1 HTTP/1.1\" 200 4 \"http://b/\" \"curl/8\"");
}

static void what_is_not_there_is_a_dash(void **state)
{
    const struct access_entry gone = {.head = "", .status = 408};
    struct output output;

    (void)state;
    assert_string_equal(write_line("GET / HTTP/1.1\r\nReferer: \r\n\r\n", 29, 0, 1000),
                        START "\"GET / HTTP/1.1\" 200 - \"-\" \"-\"");
    output_start(&output, text, sizeof(text));
    access_line_append(&output, &gone, ACCESS_LINE_LEAST_BYTES);
    assert_string_equal(text, "- - - [01/Jan/1970:00:00:00 +0000] \"-\" 408 - \"-\" \"-\"");
}

/* A longer name that begins alike is another one, and of two lines the first counts. */
static void fields_are_found_by_their_whole_name(void **state)
{
    (void)state;
    assert_string_equal(
        line_of("\r\n\nGET / HTTP/1.0\nReferer-Policy: x\nX-Referer: y\nReferer: z\n"
                "Referer: w\nUser-Agent : v\n"),
        START "\"GET / HTTP/1.0\" 200 4 \"z\" \"-\"");
}

/* Nobody ends a field, a line or a terminal's peace. */
static void what_a_client_sends_is_escaped(void **state)
{
    static const char head[] =
        "GET /\"\\\x1B[2J\x7F\xC3\xA4\0 HTTP/1.1\r\nReferer: a\rb\"c\r\n\r\n";

    (void)state;
    assert_string_equal(write_line(head, sizeof(head) - 1, 4, 1000),
                        START "\"GET /\\x22\\x5C\\x1B[2J\\x7F\\xC3\\xA4\\x00 HTTP/1.1\" 200 4 "
                              "\"a\\x0Db\\x22c\" \"-\"");
}

/* Each end of an escape and of the mark against each limit. */
static void a_long_field_is_cut_and_says_so(void **state)
{
    char head[800] = "GET /";

    (void)state;
    memset(head + 5, 'a', 300);
    memset(head + 305, '"', 300);
    memcpy(head + 605, " HTTP/1.1\r\nUser-Agent: ", 23);
    memset(head + 628, 'u', 100);
    for (size_t most = ACCESS_LINE_LEAST_BYTES; most < 3400; most++) {
        size_t quotes = 0;

        write_line(head, 728, UINT64_MAX, most);
        for (const char *at = text; (at = strchr(at, '"')) != NULL; at++) {
            quotes++;
        }
        assert_int_equal(quotes, 6);
        for (const char *at = text; (at = strchr(at, '\\')) != NULL; at++) {
            assert_memory_equal(at, "\\x22", 4);
        }
        if (most < 3100) {
            const char *end = strstr(text, "\" 200 18446744073709551615 \"-\" \"u");

            assert_non_null(end);
            assert_memory_equal(end - 3, "...", 3);
        }
    }
    assert_non_null(strstr(text, "\\x22 HTTP/1.1\" 200 "));
}

static void random_bytes_make_one_line_within_its_limit(void **state)
{
    static const char some[] = "GET / HTTP/1.1\r\nReferer: User-Agent:\"\\";
    char head[600];

    (void)state;
    srand(1);
    for (unsigned round = 0; round < 20000; round++) {
        size_t bytes = (size_t)rand() % sizeof(head);
        size_t most = ACCESS_LINE_LEAST_BYTES + (size_t)rand() % 1000;

        for (size_t i = 0; i < bytes; i++) {
            head[i] = rand() % 4 == 0 ? (char)rand() : some[(size_t)rand() % (sizeof(some) - 1)];
        }
        write_line(head, bytes, (size_t)rand(), most);
        for (const char *at = text; *at != '\0'; at++) {
            assert_true(*at >= ' ' && *at <= '~');
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_one_line_of_the_combined_format),
        cmocka_unit_test(what_is_not_there_is_a_dash),
        cmocka_unit_test(fields_are_found_by_their_whole_name),
        cmocka_unit_test(what_a_client_sends_is_escaped),
        cmocka_unit_test(a_long_field_is_cut_and_says_so),
        cmocka_unit_test(random_bytes_make_one_line_within_its_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
