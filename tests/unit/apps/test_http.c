/* SPDX-License-Identifier: MIT */
/* sources: apps/httpd/request.c apps/httpd/repeat.c apps/httpd/path.c apps/httpd/conditions.c apps/httpd/response.c apps/httpd/site.c apps/httpd/mime.c apps/httpd/tar.c apps/httpd/text.c */
/* flags: -D_GNU_SOURCE */
/*
 * Tests httpd's reading of requests and making of responses, without any connection. Each request
 * is read whole and cut at every place, in buffers of exactly its length.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "apps/httpd/conditions.h"
#include "apps/httpd/mime.h"
#include "apps/httpd/path.h"
#include "apps/httpd/repeat.h"
#include "apps/httpd/request.h"
#include "apps/httpd/response.h"
#include "apps/httpd/site.h"
#include "apps/httpd/text.h"

#define HOST "Host: a\r\n"

/* What a request comes to: the status it is refused with, 200 when complete, 0 when cut short. */
static int read_whole(const char *text, struct request *request)
{
    size_t bytes = strlen(text), consumed;
    char *copy = malloc(bytes);

    memcpy(copy, text, bytes);
    request_initialise(request);
    enum request_progress progress = request_parse(request, copy, copy, bytes, &consumed);
    free(copy);
    assert_true(consumed <= bytes);
    if (progress == REQUEST_REFUSED) {
        assert_true(request->status >= 400);
    }
    return progress == REQUEST_COMPLETE ? 200 : progress == REQUEST_REFUSED ? request->status : 0;
}

/* The same in two pieces, the buffer moved between them. */
static int read_cut(const char *text, size_t cut)
{
    struct request request;
    size_t bytes = strlen(text), consumed;
    char *first = malloc(cut + 1);
    char *whole = malloc(bytes);

    memcpy(first, text, cut);
    memcpy(whole, text, bytes);
    request_initialise(&request);
    enum request_progress progress = request_parse(&request, first, first, cut, &consumed);
    free(first);
    if (progress == REQUEST_INCOMPLETE) {
        assert_int_equal(consumed, cut);
        progress = request_parse(&request, whole, whole + cut, bytes - cut, &consumed);
    }
    free(whole);
    return progress == REQUEST_COMPLETE ? 200 : progress == REQUEST_REFUSED ? request.status : 0;
}

static const struct {
    const char *text;
    int status;
} requests[] = {
    {"GET / HTTP/1.1\r\n" HOST "\r\n", 200},
    {"GET / HTTP/1.0\r\n\r\n", 200},
    {"GET / HTTP/1.9\r\n" HOST "\r\n", 200},
    {"\r\nGET / HTTP/1.1\r\n" HOST "\r\n", 200},
    {"FOO / HTTP/1.1\r\n" HOST "\r\n", 501},
    {"\x16\x03\x01 / HTTP/1.1\r\n", 400},
    {"GET / HTTP/1.1\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST HOST "\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", 200},
    {"GET / HTTP/2.0\r\n" HOST "\r\n", 505},
    {"GET / HTTP/0.9\r\n" HOST "\r\n", 505},
    {"GET / HTTP/x\r\n" HOST "\r\n", 400},
    {"GET / HTTQ/1.1\r\n" HOST "\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "X : y\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "X: y\r\n z\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: x\r\n y\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "X:\r\n y\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "X: a\rb\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "X: a\x01z\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "Expect: 100-continue\r\n\r\n", 200},
    {"GET / HTTP/1.1\r\n" HOST "Expect: more\r\n\r\n", 417},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc", 200},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 4\r\n\r\nabc", 0},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 1048577\r\n\r\n", 413},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: -1\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 99999999999999999999999\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", 200},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\nHost: b\r\n\r\n", 200},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\nxyz\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
};

static void each_request_gets_its_status_wherever_it_is_cut(void **state)
{
    struct request request;

    (void)state;
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        if (read_whole(requests[i].text, &request) != requests[i].status) {
            fail_msg("%d instead of %d for %s", read_whole(requests[i].text, &request),
                     requests[i].status, requests[i].text);
        }
        for (size_t cut = 0; cut < strlen(requests[i].text); cut++) {
            int status = read_cut(requests[i].text, cut);
            /* An unknown method is known to be one when the blank behind it has come. */
            bool is_cut_method = requests[i].status == 501 && status == 400;
            if (status != requests[i].status && !is_cut_method) {
                fail_msg("%d instead of %d, cut at %zu: %s", status, requests[i].status, cut,
                         requests[i].text);
            }
        }
    }
}

/* Every proper beginning of a good request waits for more. */
static void a_request_that_is_not_complete_is_neither_refused_nor_answered(void **state)
{
    static const char text[] = "GET /x?y HTTP/1.1\r\n" HOST "Range: bytes=0-\r\nX: \r\n\r\n";
    struct request request;
    char part[sizeof(text)];

    (void)state;
    for (size_t bytes = 1; bytes < sizeof(text) - 1; bytes++) {
        memcpy(part, text, bytes);
        part[bytes] = '\0';
        assert_int_equal(read_whole(part, &request), 0);
    }
    assert_int_equal(read_whole(text, &request), 200);
    assert_true(request_has(&request, FIELD_RANGE));
    assert_memory_equal(text + request.values[FIELD_RANGE].offset, "bytes=0-", 8);
    assert_int_equal(request.values[FIELD_RANGE].bytes, 8);
    assert_memory_equal(text + request.target.offset, "/x?y", request.target.bytes);
}

static void pipelined_requests_are_taken_one_by_one(void **state)
{
    static const char text[] = "GET /a HTTP/1.1\r\n" HOST "\r\n"
                               "POST /bc HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\nxy"
                               "GET /d HTTP/1.0\r\n\r\n";
    static const char *const targets[] = {"/a", "/bc", "/d"};
    struct request request;
    size_t at = 0;

    (void)state;
    request_initialise(&request);
    for (int i = 0; i < 3; i++) {
        size_t consumed;
        assert_int_equal(
            request_parse(&request, text + at, text + at, strlen(text) - at, &consumed),
            REQUEST_COMPLETE);
        assert_int_equal(request.target.bytes, strlen(targets[i]));
        assert_memory_equal(text + at + request.target.offset, targets[i], strlen(targets[i]));
        assert_int_equal(request.is_keep_alive, i < 2);
        at += consumed;
        request_restart(&request);
    }
    /* A line end that belongs to no request may be left. */
    assert_true(strlen(text) - at <= 1);
}

static void limits_have_their_own_status(void **state)
{
    static char text[64 * 1024];
    struct request request;

    (void)state;
    memset(text, 'a', sizeof(text) - 1);
    memcpy(text, "GET /", 5);
    assert_int_equal(read_whole(text, &request), 414);
    memcpy(text, "GET / HTTP/1.1\r\nX: ", 19);
    assert_int_equal(read_whole(text, &request), 431);
    /* Also when the whole of it comes at once. */
    memcpy(text + REQUEST_HEAD_MAX_BYTES + 10, "\r\n" HOST "\r\n", 14);
    assert_int_equal(read_whole(text, &request), 431);
}

static void paths_are_decoded_once_and_never_leave_the_site(void **state)
{
    static const struct {
        const char *target, *path;
        int error;
    } cases[] = {
        {"/", "/", 0},
        {"/a/b?c=d", "/a/b", 0},
        {"/%61%2525", "/a%25", 0},
        {"/a.../..b", "/a.../..b", 0},
        {"http://h/x", "/x", 0},
        {"HTTP://h", "/", 0},
        {"http://h?c=d/e", "/", 0},
        {"http://h#f/g", "/", 0},
        {"http://h?", "/", 0},
        {"?c=d", NULL, -EINVAL},
        {"http://", NULL, -EINVAL},
        {"", "", 0},
        {"*", NULL, -EINVAL},
        {"x/y", NULL, -EINVAL},
        {"/%", NULL, -EINVAL},
        {"/%2", NULL, -EINVAL},
        {"/%zz", NULL, -EINVAL},
        {"/%00", NULL, -EINVAL},
        {"/..", NULL, -ENOENT},
        {"/../x", NULL, -ENOENT},
        {"/x/%2e%2E/y", NULL, -ENOENT},
        {"/x/..?y", NULL, -ENOENT},
        {"/x%2fy", NULL, -ENOENT},
        {"/x%2Fy", NULL, -ENOENT},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t bytes = strlen(cases[i].target);
        char *target = malloc(bytes + 1);
        char *path = malloc(bytes + 1);
        memcpy(target, cases[i].target, bytes);
        int length = path_decode(target, bytes, path);
        if (cases[i].error != 0) {
            assert_int_equal(length, cases[i].error);
        } else {
            assert_int_equal(length, strlen(cases[i].path));
            assert_string_equal(path, cases[i].path);
        }
        free(target);
        free(path);
    }
}

/* --- Requests that repeat themselves --- */

static const char repeated[] = "GET /a%20b?c=d HTTP/1.1\r\n" HOST "User-Agent: x\r\n"
                               "If-None-Match: \"y\"\r\nAccept: */*\r\n\r\n";

static void remember(const char *text)
{
    struct request request;

    assert_int_equal(read_whole(text, &request), 200);
    repeat_remember(&request, text, strlen(text));
}

/* What is recognised is what llhttp makes of the same bytes, in all that the server looks at. */
static void assert_same_meaning(const char *text, size_t bytes)
{
    struct request recognised, read;
    size_t consumed, read_bytes;

    request_initialise(&recognised);
    if (!repeat_recognise(&recognised, text, bytes, &consumed)) {
        return;
    }
    request_initialise(&read);
    assert_int_equal(request_parse(&read, text, text, bytes, &read_bytes), REQUEST_COMPLETE);
    assert_int_equal(consumed, read_bytes);
    assert_int_equal(recognised.method, read.method);
    assert_int_equal(recognised.minor_version, read.minor_version);
    assert_int_equal(recognised.is_keep_alive, read.is_keep_alive);
    assert_int_equal(recognised.present, read.present);
    assert_memory_equal(&recognised.target, &read.target, sizeof(read.target));
    for (unsigned field = 0; field < FIELD_COUNT; field++) {
        if (read.present & 1u << field) {
            assert_memory_equal(&recognised.values[field], &read.values[field],
                                sizeof(read.values[field]));
        }
    }
}

static bool is_recognised(const char *text)
{
    struct request request;
    size_t consumed;

    request_initialise(&request);
    return repeat_recognise(&request, text, strlen(text), &consumed);
}

static void known_fields_are_recognised_behind_any_plain_request_line(void **state)
{
    static const char fields[] =
        HOST "User-Agent: x\r\nIf-None-Match: \"y\"\r\nAccept: */*\r\n\r\n";
    static const char *const lines[] = {"GET / HTTP/1.1\r\n", "GET /other?x HTTP/1.1\r\n",
                                        "HEAD /~a/b;c@d:e HTTP/1.1\r\n"};
    char text[512];

    (void)state;
    assert_false(is_recognised(repeated));
    remember(repeated);
    assert_true(is_recognised(repeated));
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        snprintf(text, sizeof(text), "%s%s", lines[i], fields);
        assert_true(is_recognised(text));
        assert_same_meaning(text, strlen(text));
    }
    snprintf(text, sizeof(text), "GET / HTTP/1.0\r\n%s", fields);
    assert_false(is_recognised(text));
}

/* Every byte changed to every other, and every length: recognised as llhttp reads it, or not. */
static void what_differs_anywhere_is_read_anew(void **state)
{
    char text[sizeof(repeated)];

    (void)state;
    remember(repeated);
    for (size_t i = 0; i < strlen(repeated); i++) {
        for (unsigned value = 0; value < 256; value++) {
            memcpy(text, repeated, sizeof(text));
            text[i] = (char)value;
            assert_same_meaning(text, strlen(repeated));
        }
        char *part = malloc(i + 1);
        memcpy(part, repeated, i);
        assert_same_meaning(part, i);
        free(part);
    }
}

static void requests_with_more_than_a_head_are_never_recognised(void **state)
{
    static const char *const texts[] = {
        "GET / HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n",
        "GET / HTTP/1.1\r\n" HOST "Upgrade: h2c\r\n\r\n",
        "POST / HTTP/1.1\r\n" HOST "\r\n",
        "GET / HTTP/1.2\r\n" HOST "\r\n",
        "GET http://a/ HTTP/1.1\r\n" HOST "\r\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        remember(texts[i]);
        assert_false(is_recognised(texts[i]));
    }
}

/* --- Conditions, on a file of ten bytes --- */

static struct resource file = {
    .path = "/file",
    .kind = RESOURCE_FILE,
    .content = (const uint8_t *)"0123456789",
    .content_bytes = 10,
    .mtime_s = 784111777, /* Sun, 06 Nov 1994 08:49:37 GMT */
    .type = "text/plain",
};

static enum outcome evaluate(const char *method, const char *fields, struct byte_range *range)
{
    static char text[1024];
    struct request request;

    snprintf(text, sizeof(text), "%s / HTTP/1.1\r\n" HOST "%s\r\n", method, fields);
    assert_int_equal(read_whole(text, &request), 200);
    return conditions_evaluate(&request, text, &file, range);
}

static void ranges_are_parts_of_the_file_or_say_why_not(void **state)
{
    static const struct {
        const char *value;
        enum outcome outcome;
        size_t first, bytes;
    } cases[] = {
        {"bytes=0-0", OUTCOME_PART, 0, 1},
        {"bytes=2-4", OUTCOME_PART, 2, 3},
        {"bytes=7-", OUTCOME_PART, 7, 3},
        {"bytes=7-100", OUTCOME_PART, 7, 3},
        {"bytes=-3", OUTCOME_PART, 7, 3},
        {"bytes=-100", OUTCOME_PART, 0, 10},
        {"BYTES=0-18446744073709551615", OUTCOME_PART, 0, 10},
        {"bytes=0-99999999999999999999999", OUTCOME_PART, 0, 10},
        {"bytes=10-", OUTCOME_UNSATISFIABLE, 0, 0},
        {"bytes=-0", OUTCOME_UNSATISFIABLE, 0, 0},
        {"bytes=99999999999999999999999-", OUTCOME_UNSATISFIABLE, 0, 0},
        {"bytes=4-2", OUTCOME_WHOLE, 0, 0},
        {"bytes=", OUTCOME_WHOLE, 0, 0},
        {"bytes=-", OUTCOME_WHOLE, 0, 0},
        {"bytes=0-1,3-4", OUTCOME_WHOLE, 0, 0},
        {"lines=0-1", OUTCOME_WHOLE, 0, 0},
        {"b", OUTCOME_WHOLE, 0, 0},
    };
    char field[128];
    struct byte_range range;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        snprintf(field, sizeof(field), "Range: %s\r\n", cases[i].value);
        assert_int_equal(evaluate("GET", field, &range), cases[i].outcome);
        if (cases[i].outcome == OUTCOME_PART) {
            assert_int_equal(range.first, cases[i].first);
            assert_int_equal(range.bytes, cases[i].bytes);
        }
        assert_int_equal(evaluate("HEAD", field, &range), OUTCOME_WHOLE);
    }
}

static void conditions_are_evaluated_in_their_order(void **state)
{
    static const char same[] = "Sun, 06 Nov 1994 08:49:37 GMT";
    static const char earlier[] = "Sun, 06 Nov 1994 08:49:36 GMT";
    char tag[TAG_TEXT_BYTES];
    char field[256];
    struct byte_range range;
    const struct {
        const char *format, *first, *second;
        enum outcome outcome;
    } cases[] = {
        {"If-None-Match: %s\r\n", tag, "", OUTCOME_NOT_MODIFIED},
        {"If-None-Match: W/%s\r\n", tag, "", OUTCOME_NOT_MODIFIED},
        {"If-None-Match: \"x\", %s\r\n", tag, "", OUTCOME_NOT_MODIFIED},
        {"If-None-Match: *%s\r\n", "", "", OUTCOME_NOT_MODIFIED},
        {"If-None-Match: \"x\"%s\r\n", "", "", OUTCOME_WHOLE},
        {"If-None-Match: \"x%s\r\n", "", "", OUTCOME_WHOLE},
        {"If-None-Match: \"x\"\r\nIf-Modified-Since: %s\r\n", same, "", OUTCOME_WHOLE},
        {"If-Modified-Since: %s\r\n", same, "", OUTCOME_NOT_MODIFIED},
        {"If-Modified-Since: %s\r\n", earlier, "", OUTCOME_WHOLE},
        {"If-Modified-Since: yesterday%s\r\n", "", "", OUTCOME_WHOLE},
        {"If-Match: %s\r\n", tag, "", OUTCOME_WHOLE},
        {"If-Match: W/%s\r\n", tag, "", OUTCOME_FAILED},
        {"If-Match: \"x\"%s\r\n", "", "", OUTCOME_FAILED},
        {"If-Unmodified-Since: %s\r\n", earlier, "", OUTCOME_FAILED},
        {"If-Unmodified-Since: %s\r\n", same, "", OUTCOME_WHOLE},
        {"If-Match: %s\r\nIf-Unmodified-Since: %s\r\n", tag, earlier, OUTCOME_WHOLE},
        {"If-Range: %s\r\nRange: bytes=1-\r\n", tag, "", OUTCOME_PART},
        {"If-Range: W/%s\r\nRange: bytes=1-\r\n", tag, "", OUTCOME_WHOLE},
        {"If-Range: %s\r\nRange: bytes=1-\r\n", same, "", OUTCOME_PART},
        {"If-Range: %s\r\nRange: bytes=1-\r\n", earlier, "", OUTCOME_WHOLE},
    };

    (void)state;
    conditions_print_tag(&file, tag);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char first[128];
        snprintf(first, sizeof(first), "%s", cases[i].first);
        const char *mark = strstr(cases[i].format, "%s");
        snprintf(field, sizeof(field), "%.*s%s%s", (int)(mark - cases[i].format), cases[i].format,
                 first, mark + 2);
        char *second = strstr(field, "%s");
        if (second != NULL) {
            char rest[64];
            snprintf(rest, sizeof(rest), "%s", second + 2);
            strcpy(second, cases[i].second);
            strcat(second, rest);
        }
        if (evaluate("GET", field, &range) != cases[i].outcome) {
            fail_msg("not %d: %s", cases[i].outcome, field);
        }
    }
}

/* --- Responses --- */

static void write_page(struct text *text)
{
    text_print(text, "<p>%d</p>", 42);
}

static void respond(const char *text, struct response *response)
{
    struct request request;
    size_t consumed;

    request_initialise(&request);
    assert_int_equal(request_parse(&request, text, text, strlen(text), &consumed),
                     REQUEST_COMPLETE);
    response_make(response, &request, text, request.is_keep_alive ? PERSIST_SILENTLY : PERSIST_NOT);
}

static bool has_line(const struct response *response, const char *line)
{
    return memmem(response->head, response->head_bytes, line, strlen(line)) != NULL;
}

static void pages_folders_and_methods_have_their_responses(void **state)
{
    struct response response;

    (void)state;
    response_set_time(784111777);
    site_add_page("/page", "text/html", write_page);
    respond("GET /page HTTP/1.1\r\n" HOST "\r\n", &response);
    assert_int_equal(response.status, 200);
    assert_true(has_line(&response, "HTTP/1.1 200 OK\r\n"));
    assert_true(has_line(&response, "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"));
    assert_true(has_line(&response, "Content-Length: 9\r\n"));
    assert_true(has_line(&response, "\r\n\r\n<p>42</p>"));
    free(response.owned);

    respond("HEAD /page HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", &response);
    assert_true(has_line(&response, "Content-Length: 9\r\n"));
    assert_true(has_line(&response, "Connection: close\r\n"));
    assert_memory_equal(response.head + response.head_bytes - 4, "\r\n\r\n", 4);
    free(response.owned);

    respond("GET /none HTTP/1.1\r\n" HOST "\r\n", &response);
    assert_int_equal(response.status, 404);
    free(response.owned);

    respond("DELETE /page HTTP/1.1\r\n" HOST "\r\n", &response);
    assert_int_equal(response.status, 405);
    assert_true(has_line(&response, "Allow: GET, HEAD, OPTIONS\r\n"));
    free(response.owned);

    respond("OPTIONS * HTTP/1.1\r\n" HOST "\r\n", &response);
    assert_int_equal(response.status, 204);
    free(response.owned);

    response_make_refusal(&response, 431);
    assert_true(has_line(&response, "HTTP/1.1 431 Request Header Fields Too Large\r\n"));
    assert_true(has_line(&response, "Connection: close\r\n"));
    free(response.owned);
}

/* Those that reading a request, or waiting for one, can end in. */
static void each_refusal_has_its_response(void **state)
{
    static const uint16_t statuses[] = {400, 408, 413, 414, 417, 431, 501, 505};
    char line[32];

    (void)state;
    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        struct response response;

        response_make_refusal(&response, statuses[i]);
        snprintf(line, sizeof(line), "HTTP/1.1 %u ", statuses[i]);
        assert_int_equal(response.status, statuses[i]);
        assert_memory_equal(response.head, line, strlen(line));
        snprintf(line, sizeof(line), "<h1>%u ", statuses[i]);
        assert_true(has_line(&response, line));
        free(response.owned);
    }
}

/* An archive with one empty file, in POSIX' ustar format; `mtime` is its field of 12 bytes. */
static void add_file_to_site(const char *name, const char *mtime)
{
    char file_name[] = "/tmp/test_http.XXXXXX";
    unsigned char archive[512] = {0};
    unsigned sum = 0;
    int fd = mkstemp(file_name);

    assert_true(fd >= 0);
    strcpy((char *)archive, name);
    strcpy((char *)archive + 124, "00000000000"); /* size */
    memcpy(archive + 136, mtime, 12);
    memset(archive + 148, ' ', 8);
    archive[156] = '0';
    memcpy(archive + 257, "ustar", 6);
    for (size_t i = 0; i < sizeof(archive); i++) {
        sum += archive[i];
    }
    sprintf((char *)archive + 148, "%06o", sum);
    assert_int_equal(write(fd, archive, sizeof(archive)), sizeof(archive));
    close(fd);
    assert_int_equal(site_add_archive(file_name), 1);
    unlink(file_name);
}

/* The folder's path stands in the answer as a path is written, its query behind the slash. */
static void a_folder_sends_the_client_to_its_path_with_a_slash(void **state)
{
    struct response response;

    (void)state;
    add_file_to_site("a \"\xC3\xA4/x", "00000000000");
    respond("GET /%61%20%22%c3%a4?b=%20/ HTTP/1.1\r\n" HOST "\r\n", &response);
    assert_int_equal(response.status, 301);
    assert_true(has_line(&response, "\r\nLocation: /a%20%22%C3%A4/?b=%20/\r\n"));
    free(response.owned);
}

/* A year of more digits, or one that no calendar has, left the field's text undefined. */
static void a_time_that_http_cannot_write_is_the_last_one_it_can(void **state)
{
    static const char *const paths[] = {"GET /last HTTP/1.1\r\n" HOST "\r\n",
                                        "GET /later HTTP/1.1\r\n" HOST "\r\n",
                                        "GET /never HTTP/1.1\r\n" HOST "\r\n"};
    struct response response;

    (void)state;
    add_file_to_site("last", "\x80\0\0\0\0\0\0\x3A\xFF\xF4\x41\x7F");  /* the last second of 9999 */
    add_file_to_site("later", "\x80\0\0\0\0\0\0\x3A\xFF\xF4\x41\x80"); /* and the one behind it */
    add_file_to_site("never", "\x80\0\0\0\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF");
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        respond(paths[i], &response);
        assert_int_equal(response.status, 200);
        assert_true(has_line(&response, "\r\nLast-Modified: Fri, 31 Dec 9999 23:59:59 GMT\r\n"));
    }
}

static void types_follow_the_last_extension(void **state)
{
    (void)state;
    assert_string_equal(mime_type("/a.HTML", 7), "text/html; charset=utf-8");
    assert_string_equal(mime_type("/a.tar.gz", 9), "application/gzip");
    assert_string_equal(mime_type("/a.html/b", 9), "application/octet-stream");
    assert_string_equal(mime_type("/a.", 3), "application/octet-stream");
    assert_string_equal(mime_type("", 0), "application/octet-stream");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_request_gets_its_status_wherever_it_is_cut),
        cmocka_unit_test(a_request_that_is_not_complete_is_neither_refused_nor_answered),
        cmocka_unit_test(pipelined_requests_are_taken_one_by_one),
        cmocka_unit_test(limits_have_their_own_status),
        cmocka_unit_test(known_fields_are_recognised_behind_any_plain_request_line),
        cmocka_unit_test(what_differs_anywhere_is_read_anew),
        cmocka_unit_test(requests_with_more_than_a_head_are_never_recognised),
        cmocka_unit_test(paths_are_decoded_once_and_never_leave_the_site),
        cmocka_unit_test(ranges_are_parts_of_the_file_or_say_why_not),
        cmocka_unit_test(conditions_are_evaluated_in_their_order),
        cmocka_unit_test(pages_folders_and_methods_have_their_responses),
        cmocka_unit_test(each_refusal_has_its_response),
        cmocka_unit_test(a_folder_sends_the_client_to_its_path_with_a_slash),
        cmocka_unit_test(a_time_that_http_cannot_write_is_the_last_one_it_can),
        cmocka_unit_test(types_follow_the_last_extension),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
