/* SPDX-License-Identifier: MIT */
/* sources: apps/httpd/request.c apps/httpd/repeat.c apps/httpd/path.c apps/httpd/authority.c */
/* library: llhttp */
/* flags: -D_GNU_SOURCE */
/*
 * Tests httpd's reading of requests, without any connection. Each request is read whole and cut at
 * every place, in buffers of exactly its length.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "apps/httpd/repeat.h"
#include "apps/httpd/request.h"

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
    {"\r\n\r\n\nGET / HTTP/1.1\r\n" HOST "\r\n", 200},
    {"FOO / HTTP/1.1\r\n" HOST "\r\n", 501},
    {"get / HTTP/1.1\r\n" HOST "\r\n", 501},
    {"M!#$%&'*+-.^_`|~9 / HTTP/1.1\r\n" HOST "\r\n", 501},
    {"DESCRIBE / HTTP/1.1\r\n" HOST "\r\n", 501},
    {"M( / HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET / HTTP/1.1\nHost: a\n\n", 400},
    {"GET / HTTP/1.1\r\nHost: a\n\r\n", 400},
    {"GET / RTSP/1.0\r\n\r\n", 400},
    {"SOURCE / ICE/1.0\r\n\r\n", 400},
    {"GET  / HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET /  HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET\t/ HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET /\tHTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET / HTTP/1.1\t\r\n" HOST "\r\n", 400},
    {"\r\nGET\t/ HTTP/1.1\r\n" HOST "X:\ty\r\n\r\n", 400},
    {"GET http://b/ HTTP/1.1\r\n" HOST "\r\n", 200},
    {"GET http://b:80/ HTTP/1.1\r\nHost: [zz]\r\n\r\n", 400},
    {"GET http:///path HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET http://?path HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET http://:80/ HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET http://b:x/ HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET http://user@b/ HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET ftp://b/ HTTP/1.1\r\n" HOST "\r\n", 400},
    {"DELETE http:///path HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET * HTTP/1.1\r\n" HOST "\r\n", 400},
    {"OPTIONS * HTTP/1.1\r\n" HOST "\r\n", 200},
    {"OPTIONS / HTTP/1.1\r\n" HOST "\r\n", 200},
    {"OPTIONS http:///path HTTP/1.1\r\n" HOST "\r\n", 400},
    {"CONNECT a:80 HTTP/1.1\r\n" HOST "\r\n", 200},
    {"CONNECT / HTTP/1.1\r\n" HOST "\r\n", 400},
    {"\x16\x03\x01 / HTTP/1.1\r\n", 400},
    {"GET / HTTP/1.1\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST HOST "\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", 200},
    {"GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: [zz]\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a:1:2\r\n\r\n", 400},
    {"GET / HTTP/1.0\r\nHost: a:b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost:\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost:\r\n" HOST "\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: \t a \t \r\n\r\n", 200},
    {"GET / HTTP/1.1\r\nX:\r\n" HOST "\r\n", 200},
    {"GET / HTTP/1.1\r\nX: \t\r\n" HOST "\r\n", 200},
    {"GET / HTTP/1.1\r\n: y\r\n" HOST "\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST ": y\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "Range:\r\nRange: bytes=0-\r\n\r\n", 400},
    {"GET / HTTP/2.0\r\n" HOST "\r\n", 505},
    {"GET / HTTP/0.9\r\n" HOST "\r\n", 505},
    {"GET / HTTP/x\r\n" HOST "\r\n", 400},
    {"GET / HTTQ/1.1\r\n" HOST "\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "X : y\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "X: y\r\n z\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: x\r\n y\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "X:\r\n y\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "X:\r\n \r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "X: y\r\n \r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "X: y\r\n\tz\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "X: a\rb\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "X: a\x01z\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "Expect: 100-continue\r\n\r\n", 200},
    {"GET / HTTP/1.1\r\n" HOST "Expect: \t100-Continue \t\r\n\r\n", 200},
    {"GET / HTTP/1.1\r\n" HOST "Expect:\r\n\r\n", 200},
    {"GET / HTTP/1.1\r\n" HOST "Expect: more\r\n\r\n", 417},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length:\t3 \t\r\n\r\nabc", 200},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 3, 3\r\n\r\nabc", 400},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: +3\r\n\r\nabc", 400},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length:\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc", 200},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 4\r\n\r\nabc", 0},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 1048577\r\n\r\n", 413},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: -1\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 99999999999999999999999\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", 200},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\nHost: b\r\n\r\n", 200},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\nxyz\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding:\tchunked \t\r\n\r\n0\r\n\r\n", 200},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n3;x=\"y\"\r\nabc\r\n0\r\n\r\n",
     200},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\n: b\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding:\r\n\r\n0\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501},
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
    static const char text[] = "GET /x?y HTTP/1.1\r\n" HOST "Range: \t bytes=0- \t\r\nX: \r\n\r\n";
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
    static char text[] = "GET /a HTTP/1.1\r\n" HOST "\r\n"
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

/* A body in chunks of `chunk_bytes` each, `extension` behind each size, and a trailer of so many.
 */
static int read_chunked(size_t body_bytes, size_t chunk_bytes, size_t extension_bytes,
                        size_t trailer_bytes, size_t piece_bytes)
{
    static char text[8 * 1024 * 1024];
    struct request request;
    char *to = text;

    to += sprintf(to, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n");
    while (body_bytes > 0) {
        size_t bytes = body_bytes < chunk_bytes ? body_bytes : chunk_bytes;
        to += sprintf(to, "%zx", bytes);
        if (extension_bytes > 0) {
            *to++ = ';';
            memset(to, 'e', extension_bytes);
            to += extension_bytes;
        }
        to += sprintf(to, "\r\n");
        memset(to, 'b', bytes);
        to += bytes;
        to += sprintf(to, "\r\n");
        body_bytes -= bytes;
    }
    to += sprintf(to, "0\r\n");
    if (trailer_bytes > 0) {
        to += sprintf(to, "T: ");
        memset(to, 't', trailer_bytes);
        to += trailer_bytes;
        to += sprintf(to, "\r\n");
    }
    to += sprintf(to, "\r\n");
    assert_true(to < text + sizeof(text));
    request_initialise(&request);
    enum request_progress progress = REQUEST_INCOMPLETE;
    for (char *at = text; at < to && progress == REQUEST_INCOMPLETE; at += piece_bytes) {
        size_t bytes = (size_t)(to - at) < piece_bytes ? (size_t)(to - at) : piece_bytes;
        size_t consumed;
        progress = request_parse(&request, text, at, bytes, &consumed);
    }
    return progress == REQUEST_COMPLETE ? 200 : progress == REQUEST_REFUSED ? request.status : 0;
}

static void chunked_bodies_are_bounded_with_all_that_frames_them(void **state)
{
    static const struct {
        size_t body, chunk, extension, trailer;
        int status;
    } cases[] = {
        {REQUEST_BODY_MAX_BYTES, 65536, 0, 0, 200},
        {REQUEST_BODY_MAX_BYTES + 1, 65536, 0, 0, 413},
        {REQUEST_BODY_MAX_BYTES + 1, REQUEST_BODY_MAX_BYTES + 1, 0, 0, 413},
        {REQUEST_BODY_MAX_BYTES, 1, 0, 0, 200},
        {5, 5, 8000, 8000, 200},
        /* The size of a chunk with the end of what is in front: 8 bytes; of a trailer: 12. */
        {5, 5, REQUEST_FRAMING_MAX_BYTES - 8, 0, 200},
        {5, 5, REQUEST_FRAMING_MAX_BYTES - 7, 0, 413},
        {5, 5, 0, REQUEST_FRAMING_MAX_BYTES - 12, 200},
        {5, 5, 0, REQUEST_FRAMING_MAX_BYTES - 11, 431},
        {900000, 65536, 0, 17000, 431},
        {50, 1, 1000, 0, 413},
        {0, 1, 0, 16000, 200},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (size_t piece = 1000; piece < 100000000; piece *= 101) {
            int status = read_chunked(cases[i].body, cases[i].chunk, cases[i].extension,
                                      cases[i].trailer, piece);
            if (status != cases[i].status) {
                fail_msg("case %zu in pieces of %zu: %d", i, piece, status);
            }
        }
    }
}

/* RFC 9112 9.3; behind CONNECT, and where HTTP/1.0 has a Transfer-Encoding (6.1), nothing follows.
 */
static void connections_stay_open_only_when_the_next_request_is_found(void **state)
{
    static const struct {
        const char *text;
        bool is_keep_alive;
    } cases[] = {
        {"GET / HTTP/1.1\r\n" HOST "\r\n", true},
        {"GET / HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", false},
        {"GET / HTTP/1.1\r\n" HOST "Connection: \tCLOSE\t\r\n\r\n", false},
        {"GET / HTTP/1.1\r\n" HOST "Connection: x ,\tclose\t, y\r\n\r\n", false},
        {"GET / HTTP/1.1\r\n" HOST "Connection: close\r\nConnection: keep-alive\r\n\r\n", false},
        {"GET / HTTP/1.1\r\n" HOST "Connection: closed, not-close\r\n\r\n", true},
        {"GET / HTTP/1.0\r\n\r\n", false},
        {"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", true},
        {"GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", false},
        {"POST / HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
         false},
        {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", true},
        {"CONNECT a:80 HTTP/1.1\r\n" HOST "\r\n", false},
    };
    struct request request;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(read_whole(cases[i].text, &request), 200);
        if (request.is_keep_alive != cases[i].is_keep_alive) {
            fail_msg("%s", cases[i].text);
        }
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
    char *copy = malloc(bytes);
    memcpy(copy, text, bytes);
    assert_int_equal(request_parse(&read, copy, copy, bytes, &read_bytes), REQUEST_COMPLETE);
    free(copy);
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

/* It has no fields yet, and nothing remembered has none either. */
static void a_request_line_alone_is_not_recognised(void **state)
{
    (void)state;
    assert_false(is_recognised("GET /a HTTP/1.0\r\n"));
    assert_false(is_recognised("GET /a HTTP/1.1\r\n"));
}

/* Every byte changed to every other, and every length: recognised as llhttp reads it, or not. */
static void what_differs_anywhere_is_read_anew(void **state)
{
    static const char head[] = "HEAD /a?c=d HTTP/1.1\r\n" HOST "Accept: */*\r\n\r\n";
    static const char *const texts[] = {repeated, head};
    char text[sizeof(repeated)];

    (void)state;
    for (size_t k = 0; k < sizeof(texts) / sizeof(texts[0]); k++) {
        size_t bytes = strlen(texts[k]);

        remember(texts[k]);
        assert_true(is_recognised(texts[k]));
        for (size_t i = 0; i < bytes; i++) {
            for (unsigned value = 0; value < 256; value++) {
                memcpy(text, texts[k], bytes);
                text[i] = (char)value;
                assert_same_meaning(text, bytes);
            }
            char *part = malloc(i); /* ends where they end */
            memcpy(part, texts[k], i);
            assert_same_meaning(part, i);
            free(part);
        }
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_request_gets_its_status_wherever_it_is_cut),
        cmocka_unit_test(a_request_that_is_not_complete_is_neither_refused_nor_answered),
        cmocka_unit_test(pipelined_requests_are_taken_one_by_one),
        cmocka_unit_test(limits_have_their_own_status),
        cmocka_unit_test(chunked_bodies_are_bounded_with_all_that_frames_them),
        cmocka_unit_test(connections_stay_open_only_when_the_next_request_is_found),
        cmocka_unit_test(a_request_line_alone_is_not_recognised),
        cmocka_unit_test(known_fields_are_recognised_behind_any_plain_request_line),
        cmocka_unit_test(what_differs_anywhere_is_read_anew),
        cmocka_unit_test(requests_with_more_than_a_head_are_never_recognised),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
