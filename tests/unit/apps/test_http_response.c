/* SPDX-License-Identifier: MIT */
/* sources: apps/httpd/request.c apps/httpd/conditions.c apps/httpd/ranges.c apps/httpd/response.c */
/* sources: apps/httpd/multipart.c */
/* sources: apps/httpd/site.c apps/httpd/archive.c apps/httpd/tag.c apps/httpd/encoding.c apps/httpd/settings.c */
/* sources: apps/httpd/settings_lookup.c apps/httpd/rules.c apps/httpd/listing.c apps/httpd/mime.c libc/core/tar.c */
/* sources: apps/httpd/text.c apps/httpd/date.c apps/httpd/authority.c apps/httpd/path.c apps/httpd/header.c */
/* sources: apps/httpd/pages.c */
/* library: llhttp */
/* flags: -D_GNU_SOURCE -Dpoll=counted_poll */
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

#include <poll.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "apps/httpd/archive.h"
#include "apps/httpd/conditions.h"
#include "apps/httpd/mime.h"
#include "apps/httpd/pages.h"
#include "apps/httpd/request.h"
#include "apps/httpd/response.h"
#include "apps/httpd/site.h"
#include "apps/httpd/tag.h"
#include "apps/httpd/text.h"

#define HOST "Host: a\r\n"

static unsigned poll_count;

/* In the place of poll(): only looks. */
int counted_poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
    assert_true(fds == NULL && count == 0 && timeout_ms == 0);
    poll_count++;
    return 0;
}

/* Returns the copy of its head that the request's values lie in, until the next call. */
static const char *read_request(const char *text, struct request *request)
{
    static char copy[REQUEST_TARGET_MAX_BYTES + 2048];
    size_t bytes = strlen(text), consumed;

    assert_true(bytes <= sizeof(copy));
    memcpy(copy, text, bytes);
    request_initialise(request);
    assert_int_equal(request_parse(request, copy, copy, bytes, &consumed), REQUEST_COMPLETE);
    return copy;
}

/* --- Conditions, on a file of ten bytes --- */

#define TAG     "\"123456789abcdef0\""
#define SAME    "Sun, 06 Nov 1994 08:49:37 GMT"
#define EARLIER "Sun, 06 Nov 1994 08:49:36 GMT"

static struct resource file = {
    .path = "/file",
    .kind = RESOURCE_FILE,
    .content = (const uint8_t *)"0123456789",
    .content_bytes = 10,
    .mtime_s = 784111777, /* Sun, 06 Nov 1994 08:49:37 GMT */
    .type = "text/plain",
    .tag = 0x123456789ABCDEF0,
};

static enum outcome evaluate(const char *method, const char *fields, struct ranges *ranges)
{
    static char text[1024];
    struct request request;

    snprintf(text, sizeof(text), "%s / HTTP/1.1\r\n" HOST "%s\r\n", method, fields);
    const char *head = read_request(text, &request);
    return conditions_evaluate(&request, head, &file, ranges);
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
        {"bytes=0-1,3-4", OUTCOME_PART, 0, 5}, /* as one: there is little between them */
        {"lines=0-1", OUTCOME_WHOLE, 0, 0},
        {"b", OUTCOME_WHOLE, 0, 0},
    };
    char field[128];
    struct ranges ranges;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        snprintf(field, sizeof(field), "Range: %s\r\n", cases[i].value);
        assert_int_equal(evaluate("GET", field, &ranges), cases[i].outcome);
        if (cases[i].outcome == OUTCOME_PART) {
            assert_int_equal(ranges.at[0].first, cases[i].first);
            assert_int_equal(ranges.at[0].bytes, cases[i].bytes);
        }
        assert_int_equal(evaluate("HEAD", field, &ranges), OUTCOME_WHOLE);
    }
}

/* Each condition by itself. */
static void conditions_hold_for_what_they_name(void **state)
{
    static const struct {
        const char *fields;
        enum outcome outcome;
    } cases[] = {
        {"If-None-Match: " TAG, OUTCOME_NOT_MODIFIED},
        {"If-None-Match: W/" TAG, OUTCOME_NOT_MODIFIED},
        {"If-None-Match: \"x\", " TAG, OUTCOME_NOT_MODIFIED},
        {"If-None-Match: \t" TAG " \t", OUTCOME_NOT_MODIFIED},
        {"If-None-Match: *", OUTCOME_NOT_MODIFIED},
        {"If-None-Match:\t*\t", OUTCOME_NOT_MODIFIED},
        {"If-None-Match: \"x\"", OUTCOME_WHOLE},
        {"If-None-Match: \"x", OUTCOME_WHOLE},
        {"If-Modified-Since: " SAME, OUTCOME_NOT_MODIFIED},
        {"If-Modified-Since: \t" SAME "\t ", OUTCOME_NOT_MODIFIED},
        {"If-Modified-Since: " EARLIER, OUTCOME_WHOLE},
        {"If-Modified-Since: yesterday", OUTCOME_WHOLE},
        {"If-Match: " TAG, OUTCOME_WHOLE},
        {"If-Match: \t" TAG "\t", OUTCOME_WHOLE},
        {"If-Match: *", OUTCOME_WHOLE},
        {"If-Match: W/" TAG, OUTCOME_FAILED},
        {"If-Match: \"x\"", OUTCOME_FAILED},
        {"If-Unmodified-Since: " EARLIER, OUTCOME_FAILED},
        {"If-Unmodified-Since: " SAME, OUTCOME_WHOLE},
        {"If-Unmodified-Since: yesterday", OUTCOME_WHOLE},
        {"If-Range: " TAG "\r\nRange: bytes=1-", OUTCOME_PART},
        {"If-Range: " TAG " \t\r\nRange: \tbytes=1-\t", OUTCOME_PART},
        {"If-Range: W/" TAG "\r\nRange: bytes=1-", OUTCOME_WHOLE},
        {"If-Range: " SAME "\r\nRange: bytes=1-", OUTCOME_PART},
        {"If-Range: " EARLIER "\r\nRange: bytes=1-", OUTCOME_WHOLE},
        {"If-Range: yesterday\r\nRange: bytes=1-", OUTCOME_WHOLE},
        {"If-Range: " TAG, OUTCOME_WHOLE},
    };
    char fields[256];
    struct ranges ranges;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        snprintf(fields, sizeof(fields), "%s\r\n", cases[i].fields);
        if (evaluate("GET", fields, &ranges) != cases[i].outcome) {
            fail_msg("not %d: %s", cases[i].outcome, fields);
        }
    }
}

/* How one condition stands: not there, or what it comes to. */
enum standing { ABSENT, TRUE, FALSE, STANDING_COUNT };

struct standings {
    enum standing match, unmodified, none_match, modified, range, if_range;
};

/* RFC 9110 13.2.2, step by step. */
static enum outcome expected_outcome(const struct standings *at, bool is_get)
{
    if (at->match == FALSE || (at->match == ABSENT && at->unmodified == FALSE)) {
        return OUTCOME_FAILED;
    }
    if (at->none_match == FALSE || (at->none_match == ABSENT && at->modified == FALSE)) {
        return OUTCOME_NOT_MODIFIED;
    }
    if (is_get && at->range != ABSENT && at->if_range != FALSE) {
        return at->range == TRUE ? OUTCOME_PART : OUTCOME_UNSATISFIABLE;
    }
    return OUTCOME_WHOLE;
}

static const char *field_text(enum standing standing, const char *is_true, const char *is_false)
{
    return standing == ABSENT ? "" : standing == TRUE ? is_true : is_false;
}

/* Every set of conditions, each absent, true or false: what comes first in the order decides. */
static void conditions_are_evaluated_in_their_order(void **state)
{
    struct ranges ranges;

    (void)state;
    for (int i = 0; i < 3 * 3 * 3 * 3 * 3 * 3; i++) {
        const struct standings at = {
            i % 3, i / 3 % 3, i / 9 % 3, i / 27 % 3, i / 81 % 3, i / 243 % 3,
        };
        char fields[512];

        /* The order in which they come must not matter: it is another one than theirs. */
        snprintf(
            fields, sizeof(fields), "%s%s%s%s%s%s",
            field_text(at.if_range, "If-Range: " TAG "\r\n", "If-Range: \"x\"\r\n"),
            field_text(at.range, "Range: bytes=1-\r\n", "Range: bytes=99-\r\n"),
            field_text(at.modified, "If-Modified-Since: " EARLIER "\r\n",
                       "If-Modified-Since: " SAME "\r\n"),
            field_text(at.none_match, "If-None-Match: \"x\"\r\n", "If-None-Match: " TAG "\r\n"),
            field_text(at.unmodified, "If-Unmodified-Since: " SAME "\r\n",
                       "If-Unmodified-Since: " EARLIER "\r\n"),
            field_text(at.match, "If-Match: " TAG "\r\n", "If-Match: \"x\"\r\n"));
        if (evaluate("GET", fields, &ranges) != expected_outcome(&at, true)) {
            fail_msg("GET: not %d: %s", expected_outcome(&at, true), fields);
        }
        if (evaluate("HEAD", fields, &ranges) != expected_outcome(&at, false)) {
            fail_msg("HEAD: not %d: %s", expected_outcome(&at, false), fields);
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

    const char *head = read_request(text, &request);
    response_make(response, &request, head, request.is_keep_alive ? PERSIST_SILENTLY : PERSIST_NOT);
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

    response_make_refusal(&response, 431, false);
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

        response_make_refusal(&response, statuses[i], false);
        snprintf(line, sizeof(line), "HTTP/1.1 %u ", statuses[i]);
        assert_int_equal(response.status, statuses[i]);
        assert_memory_equal(response.head, line, strlen(line));
        snprintf(line, sizeof(line), "<h1>%u ", statuses[i]);
        assert_true(has_line(&response, line));
        free(response.owned);
    }
}

/* An archive with one file, in POSIX' ustar format; `mtime` is its field of 12 bytes. */
static void add_to_site(const char *name, const char *mtime, const void *content, size_t bytes)
{
    char file_name[] = "/tmp/test_http.XXXXXX";
    unsigned char header[512] = {0};
    static const char zeros[512];
    unsigned sum = 0;
    int fd = mkstemp(file_name);

    assert_true(fd >= 0);
    strcpy((char *)header, name);
    sprintf((char *)header + 124, "%011zo", bytes);
    memcpy(header + 136, mtime, 12);
    memset(header + 148, ' ', 8);
    header[156] = '0';
    memcpy(header + 257, "ustar", 6);
    for (size_t i = 0; i < sizeof(header); i++) {
        sum += header[i];
    }
    sprintf((char *)header + 148, "%06o", sum);
    assert_int_equal(write(fd, header, sizeof(header)), sizeof(header));
    assert_int_equal(write(fd, content, bytes), bytes);
    assert_true(write(fd, zeros, -bytes % sizeof(zeros)) >= 0);
    close(fd);
    assert_int_equal(archive_add(file_name), 1);
    unlink(file_name);
}

#define NO_TIME "00000000000"

static void add_file_to_site(const char *name, const char *mtime)
{
    add_to_site(name, mtime, "", 0);
}

/* --- Files --- */

/* A target is looked up before it is decoded, but a file whose name looks like an escape or a query
 * is found only by what decodes to it. */
static void targets_that_need_decoding_name_what_they_decode_to(void **state)
{
    static const char *const names[] = {"odd/a%41", "odd/a?b", "odd/aA", "odd/a"};
    static const struct {
        const char *target, *name;
    } cases[] = {
        {"/odd/a%41", "odd/aA"},   {"/odd/a%2541", "odd/a%41"}, {"/odd/a?b", "odd/a"},
        {"/odd/a%3Fb", "odd/a?b"}, {"/odd/aA", "odd/aA"},       {"/odd/a", "odd/a"},
    };
    char text[64];
    struct response response;

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        add_to_site(names[i], NO_TIME, names[i], strlen(names[i]));
    }
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t bytes = strlen(cases[i].name);

        snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\n" HOST "\r\n", cases[i].target);
        respond(text, &response);
        assert_int_equal(response.status, 200);
        assert_memory_equal(response.head + response.head_bytes - bytes - 2, "\r\n", 2);
        assert_memory_equal(response.head + response.head_bytes - bytes, cases[i].name, bytes);
    }
}

static void respond_with_file(const char *fields, struct response *response)
{
    char text[256];

    snprintf(text, sizeof(text), "GET /large HTTP/1.1\r\n" HOST "%s\r\n", fields);
    respond(text, response);
}

/* A first request for a large file used to stop the event loop for as long as its content was
 * hashed. The content cannot be read here while responses are made. */
static void no_response_reads_a_large_files_content(void **state)
{
    const size_t bytes = 8 * 1024 * 1024 + 4096;
    const size_t page_bytes = 4096;
    char *content = calloc(1, bytes);
    char tag[TAG_TEXT_BYTES], fields[128];
    struct response response;

    (void)state;
    add_to_site("large", NO_TIME, content, bytes);
    struct resource *resource = site_find("/large", 6);
    uint64_t first_tag = resource->tag;
    /* Its last byte counts, and so does a byte on either side of where the hashing has paused. */
    static const size_t places[] = {0, 262143, 262144, 8 * 1024 * 1024 + 4095};
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        content[places[i]] ^= 1;
        add_to_site("large", NO_TIME, content, bytes);
        assert_int_not_equal(resource->tag, first_tag);
        content[places[i]] ^= 1;
    }
    poll_count = 0;
    add_to_site("large", NO_TIME, content, bytes);
    assert_int_equal(resource->tag, first_tag);
    assert_true(poll_count >= 32); /* others ran meanwhile */
    free(content);
    tag_print(resource->tag, tag);
    char *start = (char *)((uintptr_t)resource->content / page_bytes * page_bytes);
    assert_int_equal(mprotect(start, bytes / page_bytes * page_bytes, PROT_NONE), 0);

    respond_with_file("", &response);
    assert_int_equal(response.status, 200);
    assert_int_equal(response.body_bytes, bytes);
    assert_true(has_line(&response, tag));
    snprintf(fields, sizeof(fields), "If-None-Match: %s\r\n", tag);
    respond_with_file(fields, &response);
    assert_int_equal(response.status, 304);
    free(response.owned);
    respond_with_file("Range: bytes=5-\r\n", &response);
    assert_int_equal(response.status, 206);
    free(response.owned);
}

static void get_page(const char *path, char *page, size_t size)
{
    char text[128];
    struct response response;

    snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\n" HOST "\r\n", path);
    respond(text, &response);
    assert_int_equal(response.status, 200);
    const char *body = memmem(response.head, response.head_bytes, "\r\n\r\n", 4) + 4;
    size_t bytes = response.head_bytes - (size_t)(body - response.head);
    if (bytes == 0 || response.body_bytes != 0) {
        body = (const char *)response.body;
        bytes = response.body_bytes;
    }
    assert_true(bytes < size);
    memcpy(page, body, bytes);
    page[bytes] = '\0';
    free(response.owned);
}

static void add_text_to_site(const char *name, const char *text)
{
    add_to_site(name, NO_TIME, text, strlen(text));
}

/* As main.c puts a site together; the user's files take every path that there is. */
static void status_pages_look_the_same_whatever_the_site_holds(void **state)
{
    static const char *const names[] = {"style.css", "stats.html", "stats.css", "stats", "metrics"};
    char before[2048], after[2048], page[2048];

    (void)state;
    add_text_to_site("index.html", "<style><!--#own /style.css --></style>built in");
    add_text_to_site("stats.html", "<style><!--#own /style.css --></style>"
                                   "<pre><!--#file /no/such/file --></pre><!--#else -->end");
    add_text_to_site("style.css", "h1 > \"own\"");
    pages_add_welcome();
    get_page("/", page, sizeof(page));
    assert_string_equal(page, "<style>h1 > \"own\"</style>built in");
    pages_add_status();
    get_page("/stats", before, sizeof(before));
    assert_string_equal(before, "<style>h1 > \"own\"</style>"
                                "<pre>not available on this system\n</pre>end");

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        add_text_to_site(names[i], "the user's");
    }
    pages_add_status();
    get_page("/stats", after, sizeof(after));
    assert_string_equal(after, before);
    get_page("/metrics", page, sizeof(page));
    assert_string_equal(page, "# not available on this system\n");
    get_page("/style.css", page, sizeof(page));
    assert_string_equal(page, "the user's");
    get_page("/", page, sizeof(page));
    assert_string_equal(page, "<style>h1 > \"own\"</style>built in");
    add_text_to_site("index.html", "the user's");
    get_page("/", page, sizeof(page));
    assert_string_equal(page, "the user's");
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

/* The sanitizer sees what does not fit. */
static void the_longest_target_has_its_response(void **state)
{
    static char text[REQUEST_TARGET_MAX_BYTES + 64];
    char *target = text + strlen("GET ");
    struct response response;

    (void)state;
    memcpy(text, "GET ", strlen("GET "));
    memset(target, 'x', REQUEST_TARGET_MAX_BYTES);
    target[0] = '/';
    strcpy(target + REQUEST_TARGET_MAX_BYTES, " HTTP/1.1\r\n" HOST "\r\n");
    respond(text, &response);
    assert_int_equal(response.status, 404);
    free(response.owned);

    /* A folder's path, and the longest query, which is given back. */
    add_file_to_site("folder/x", "00000000000");
    memcpy(target, "/folder?", strlen("/folder?"));
    respond(text, &response);
    assert_int_equal(response.status, 301);
    assert_true(has_line(&response, "\r\nLocation: /folder/?xxx"));
    assert_true(has_line(&response, "xxx\r\n"));
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
        cmocka_unit_test(conditions_hold_for_what_they_name),
        cmocka_unit_test(conditions_are_evaluated_in_their_order),
        cmocka_unit_test(pages_folders_and_methods_have_their_responses),
        cmocka_unit_test(each_refusal_has_its_response),
        cmocka_unit_test(targets_that_need_decoding_name_what_they_decode_to),
        cmocka_unit_test(no_response_reads_a_large_files_content),
        cmocka_unit_test(status_pages_look_the_same_whatever_the_site_holds),
        cmocka_unit_test(a_folder_sends_the_client_to_its_path_with_a_slash),
        cmocka_unit_test(the_longest_target_has_its_response),
        cmocka_unit_test(a_time_that_http_cannot_write_is_the_last_one_it_can),
        cmocka_unit_test(types_follow_the_last_extension),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
