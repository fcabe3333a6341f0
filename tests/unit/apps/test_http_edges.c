/* SPDX-License-Identifier: MIT */
/* sources: apps/httpd/request.c apps/httpd/path.c apps/httpd/mime.c apps/httpd/authority.c */
/* library: llhttp */
/* flags: -D_GNU_SOURCE */
/*
 * Tests httpd's reading of requests, paths and extensions at their edges.
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

#include "apps/httpd/mime.h"
#include "apps/httpd/path.h"
#include "apps/httpd/request.h"

#define HOST "Host: a\r\n"

/* The first and the last of the table, and those whose beginning is another's whole. */
static void types_of_all_extensions_are_found(void **state)
{
    static const struct {
        const char *path, *type;
    } cases[] = {
        {"/a.avif", "image/avif"},
        {"/a.zst", "application/zstd"},
        {"/a.js", "text/javascript; charset=utf-8"},
        {"/a.json", "application/json"},
        {"/a.jsonld", "application/ld+json"},
        {"/a.woff", "font/woff"},
        {"/a.woff2", "font/woff2"},
        {"/a.woff22", "application/octet-stream"},
        {"/a.zstx", "application/octet-stream"},
        {"/a", "application/octet-stream"},
        {".css", "text/css; charset=utf-8"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_string_equal(mime_type(cases[i].path, strlen(cases[i].path)), cases[i].type);
    }
    /* What stands behind the path is not looked at. */
    assert_string_equal(mime_type("/a.css/", 6), "text/css; charset=utf-8");
    assert_string_equal(mime_type("/a.csss", 6), "text/css; charset=utf-8");
}

static enum request_progress read_text(const char *text, size_t bytes, struct request *request)
{
    char *copy = malloc(bytes);
    size_t consumed;

    assert_non_null(copy);
    memcpy(copy, text, bytes);
    request_initialise(request);
    enum request_progress progress = request_parse(request, copy, copy, bytes, &consumed);

    free(copy);
    return progress;
}

static void an_escape_may_end_a_path(void **state)
{
    char path[16];

    (void)state;
    assert_int_equal(path_decode("/%61", 4, path), 2);
    assert_string_equal(path, "/a");
    assert_int_equal(path_decode("/%6", 3, path), -EINVAL);
}

/* RFC 9110 10.1.1: of a client that knows it, and has not begun to send the body. */
static void continue_is_sent_to_who_waits_for_it(void **state)
{
    static const struct {
        const char *text;
        bool is_expected;
    } cases[] = {
        {"POST / HTTP/1.1\r\n" HOST "Content-Length: 3\r\nExpect: 100-continue\r\n\r\n", true},
        {"POST / HTTP/1.1\r\n" HOST "Content-Length: 3\r\nExpect: 100-continue\r\n\r\na", false},
        {"POST / HTTP/1.0\r\n" HOST "Content-Length: 3\r\nExpect: 100-continue\r\n\r\n", false},
        {"POST / HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\n", false},
    };
    struct request request;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(read_text(cases[i].text, strlen(cases[i].text), &request),
                         REQUEST_INCOMPLETE);
        assert_int_equal(request_expects_continue(&request), cases[i].is_expected);
    }
}

static void the_longest_target_is_read_and_a_longer_one_is_not(void **state)
{
    static char text[REQUEST_TARGET_MAX_BYTES + 64];
    struct request request;

    (void)state;
    for (unsigned more = 0; more < 2; more++) {
        memset(text, 'a', sizeof(text));
        memcpy(text, "GET /", 5);
        size_t end = 4 + REQUEST_TARGET_MAX_BYTES + more;
        int rest = sprintf(text + end, " HTTP/1.1\r\n" HOST "\r\n");

        assert_int_equal(read_text(text, end + (size_t)rest, &request),
                         more == 0 ? REQUEST_COMPLETE : REQUEST_REFUSED);
        assert_int_equal(request.status, more == 0 ? 0 : 414);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types_of_all_extensions_are_found),
        cmocka_unit_test(an_escape_may_end_a_path),
        cmocka_unit_test(continue_is_sent_to_who_waits_for_it),
        cmocka_unit_test(the_longest_target_is_read_and_a_longer_one_is_not),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
