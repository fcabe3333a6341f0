/* SPDX-License-Identifier: MIT */
/* sources: apps/httpd/request.c apps/httpd/path.c apps/httpd/conditions.c apps/httpd/response.c */
/* sources: apps/httpd/site.c apps/httpd/mime.c apps/httpd/tar.c apps/httpd/text.c */
/* flags: -D_GNU_SOURCE */
/*
 * Tests httpd's making of responses, without any connection: conditions, ranges, pages, refusals.
 */
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
#include "apps/httpd/request.h"
#include "apps/httpd/response.h"
#include "apps/httpd/site.h"
#include "apps/httpd/text.h"

#define HOST "Host: a\r\n"

static void read_request(const char *text, struct request *request)
{
    size_t consumed;

    request_initialise(request);
    assert_int_equal(request_parse(request, text, text, strlen(text), &consumed), REQUEST_COMPLETE);
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
    read_request(text, &request);
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

    read_request(text, &request);
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
