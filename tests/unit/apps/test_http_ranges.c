/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/http_connection.c */
/* library: llhttp */
/* flags: -D_GNU_SOURCE -Dsendmsg=fake_sendmsg -Dsend=fake_send -DMSG_EOF=0x200 -DMSG_CLOSE=0x400 -Drecv=fake_recv -Dclose=fake_close -Dshutdown=fake_shutdown */
/* flags: -Depoll_ctl=fake_epoll_ctl -Dmalloc=fake_malloc */
/*
 * Tests apps/httpd/ranges.c and multipart.c: several ranges in one request.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include <cmocka.h>

#include "apps/httpd/client.h"
#include "apps/httpd/ranges.h"
#include "tests/unit/world/http_connection.h"

#define CONTENT_BYTES 10000u

/* "first+bytes ..." of what is found, or why nothing is. */
static const char *parse(const char *value)
{
    static char text[1024];
    struct ranges ranges;

    switch (ranges_parse(value, strlen(value), CONTENT_BYTES, &ranges)) {
    case RANGES_IGNORED:
        return "ignored";
    case RANGES_UNSATISFIABLE:
        return "unsatisfiable";
    default:
        break;
    }
    size_t length = 0;
    assert_true(ranges.count >= 1 && ranges.count <= RANGES_MAX);
    for (unsigned i = 0; i < ranges.count; i++) {
        length += (size_t)snprintf(text + length, sizeof(text) - length, "%s%zu+%zu",
                                   i > 0 ? " " : "", ranges.at[i].first, ranges.at[i].bytes);
    }
    return text;
}

static void ranges_come_in_the_order_asked_for_and_joined_where_they_are_near(void **state)
{
    static const struct {
        const char *value, *found;
    } cases[] = {
        {"bytes=0-9,1000-1009", "0+10 1000+10"},
        {"bytes=1000-1009,0-9", "1000+10 0+10"},
        {"bytes=0-9, 1000-1009 ,\t-5", "0+10 1000+10 9995+5"},
        {"bytes=,0-9,,5000-", "0+10 5000+5000"},
        {"bytes=0-9,10-19", "0+20"},    /* side by side */
        {"bytes=10-19,0-9", "0+20"},    /* either way */
        {"bytes=0-9,5-100", "0+101"},   /* overlapping */
        {"bytes=0-9,110-119", "0+120"}, /* RANGES_GAP_BYTES between them */
        {"bytes=0-9,111-119", "0+10 111+9"},
        {"bytes=0-9999,5-6,7-8", "0+10000"},
        {"bytes=0-9,4000-4009,2000-2009,1-4005", "0+4010"}, /* one that joins others */
        {"bytes=5000-5009,0-9,1000-1009,0-1000", "5000+10 0+1010"},
        {"bytes=0-9,20000-20009", "0+10"}, /* what the file has of them */
        {"bytes=20000-,30000-,-0", "unsatisfiable"},
        {"bytes=0-9,9-5", "ignored"}, /* one that is wrong */
        {"bytes=0-9,x", "ignored"},
        {"bytes=0-9;20-29", "ignored"},
        {"bytes=0-9 20-29", "ignored"},
        {"bytes=0-9,-", "ignored"},
        {"bytes=,", "ignored"},
        {"bytes=0-9,1000-1009,bytes=5-6", "ignored"},
        {"bytes=18446744073709551615-18446744073709551615,0-0", "0+1"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_string_equal(parse(cases[i].value), cases[i].found);
    }
}

static void too_many_ranges_are_answered_with_all_of_the_file(void **state)
{
    char value[1024] = "bytes=";
    size_t length = strlen(value);

    (void)state;
    for (unsigned i = 0; i < RANGES_MAX; i++) {
        length +=
            (size_t)snprintf(value + length, sizeof(value) - length, "%u-%u,", 500 * i, 500 * i);
    }
    assert_string_not_equal(parse(value), "ignored");
    snprintf(value + length, sizeof(value) - length, "9999-");
    assert_string_equal(parse(value), "ignored");
    /* Those that say the same count, too. */
    strcpy(value, "bytes=");
    for (unsigned i = 0; i <= RANGES_MAX; i++) {
        strcat(value, "0-1,");
    }
    assert_string_equal(parse(value), "ignored");
}

/* Whichever are drawn: no two are near each other, each byte that was asked for is in one, and
 * little else is. */
static void joined_ranges_are_those_asked_for_and_the_gaps_between(void **state)
{
    static uint8_t asked[CONTENT_BYTES], found[CONTENT_BYTES];
    char value[1024];

    (void)state;
    srand(1);
    for (unsigned round = 0; round < 500; round++) {
        struct ranges ranges;
        unsigned count = 1 + (unsigned)rand() % RANGES_MAX;
        size_t length = (size_t)sprintf(value, "bytes=");

        memset(asked, 0, sizeof(asked));
        memset(found, 0, sizeof(found));
        for (unsigned i = 0; i < count; i++) {
            unsigned first = (unsigned)rand() % CONTENT_BYTES;
            unsigned last = first + (unsigned)rand() % 300;

            length += (size_t)sprintf(value + length, "%u-%u,", first, last);
            for (unsigned at = first; at <= last && at < CONTENT_BYTES; at++) {
                asked[at] = 1;
            }
        }
        assert_int_equal(ranges_parse(value, length, CONTENT_BYTES, &ranges), RANGES_FOUND);
        for (unsigned i = 0; i < ranges.count; i++) {
            for (size_t at = 0; at < ranges.at[i].bytes; at++) {
                assert_int_equal(found[ranges.at[i].first + at]++, 0);
            }
        }
        unsigned gap = 0;
        for (unsigned at = 0; at < CONTENT_BYTES; at++) {
            assert_true(found[at] || !asked[at]);
            gap = found[at] && !asked[at] ? gap + 1 : 0;
            assert_true(gap <= RANGES_GAP_BYTES);
        }
    }
}

/* --- The answer --- */

#define GET_RANGES(ranges, more)                                                                   \
    "GET /file HTTP/1.1\r\n" HOST "Range: bytes=" ranges "\r\n" more "\r\n"

/* Checks the whole answer of three ranges, read as a client reads it. */
static void check_parts(void)
{
    static const struct {
        size_t first, bytes;
    } parts[] = {{50000, 1000}, {0, 10}, {99990, 10}};
    char boundary[80], line[256];
    size_t body_bytes;

    assert_true(has_sent("HTTP/1.1 206 Partial Content\r\n"));
    const char *type = strstr(wire.sent, "Content-Type: multipart/byteranges; boundary=");
    assert_int_equal(sscanf(type, "Content-Type: multipart/byteranges; boundary=%79s", boundary),
                     1);
    assert_int_equal(
        sscanf(strstr(wire.sent, "Content-Length: "), "Content-Length: %zu", &body_bytes), 1);
    const char *at = strstr(wire.sent, "\r\n\r\n") + 4;
    const char *head_range = strstr(wire.sent, "Content-Range");
    assert_true(head_range == NULL || head_range > at); /* RFC 9110 15.3.7.2 */
    assert_int_equal(wire.sent + wire.sent_bytes - at, body_bytes);
    for (size_t i = 0; i < 3; i++) {
        int bytes = snprintf(line, sizeof(line),
                             "%s--%s\r\nContent-Type: application/octet-stream\r\n"
                             "Content-Range: bytes %zu-%zu/%u\r\n\r\n",
                             i > 0 ? "\r\n" : "", boundary, parts[i].first,
                             parts[i].first + parts[i].bytes - 1, PAGE_BYTES);
        assert_memory_equal(at, line, bytes);
        at += bytes;
        assert_memory_equal(at, http_file + parts[i].first, parts[i].bytes);
        at += parts[i].bytes;
    }
    snprintf(line, sizeof(line), "\r\n--%s--\r\n", boundary);
    assert_string_equal(at, line);
}

static void several_ranges_arrive_whole_however_little_is_taken_at_a_time(void **state)
{
    static const size_t rooms[] = {1, 7, 100, 1000, SIZE_MAX};

    for (size_t i = 0; i < sizeof(rooms) / sizeof(rooms[0]); i++) {
        http_set_up(state);
        wire.input = GET_RANGES("50000-50999,0-9,-10", "");
        wire.room_bytes = rooms[i];
        client_open(FD);
        for (unsigned turns = 0; wire.room_bytes == 0; turns++) {
            assert_true(turns < PAGE_BYTES && !wire.is_closed);
            wire.room_bytes = rooms[i];
            client_handle_events(wire.client, EPOLLOUT);
        }
        check_parts();
        assert_true(rooms[i] < SIZE_MAX || wire.send_count == 1);
        end_client();
    }
}

/* The end of our side goes with the last piece, and not before. */
static void a_connection_is_closed_behind_the_last_range(void **state)
{
    (void)state;
    wire.input = GET_RANGES("50000-50999,0-9,-10", "Connection: close\r\n");
    wire.room_bytes = 1200;
    client_open(FD);
    assert_false(wire.is_closed);
    wire.room_bytes = SIZE_MAX;
    client_handle_events(wire.client, EPOLLOUT);
    assert_true(wire.is_closed);
    assert_true(has_sent("--\r\n"));
}

static void a_client_that_goes_in_the_middle_leaves_nothing_behind(void **state)
{
    (void)state;
    wire.input = GET_RANGES("50000-50999,0-9,-10", "");
    wire.room_bytes = 1000;
    client_open(FD);
    wire.send_error = 104; /* ECONNRESET */
    client_handle_events(wire.client, EPOLLOUT | EPOLLERR);
    assert_true(wire.is_closed);
}

static void without_memory_for_it_the_answer_is_503(void **state)
{
    (void)state;
    wire.input = GET_RANGES("50000-50999,0-9", "");
    blocks_left = 0; /* the last client has left its place */
    client_open(FD);
    assert_true(has_sent("HTTP/1.1 503 "));
    assert_true(wire.is_closed || wire.is_shut);
    if (!wire.is_closed) {
        end_client();
    }
}

static void the_head_is_asked_for_without_ranges(void **state)
{
    (void)state;
    wire.input = "HEAD /file HTTP/1.1\r\n" HOST "Range: bytes=0-1,5000-5001\r\n\r\n";
    client_open(FD);
    assert_true(has_sent("HTTP/1.1 200 OK\r\n") && has_sent("Content-Length: 100000\r\n"));
    end_client();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges_come_in_the_order_asked_for_and_joined_where_they_are_near),
        cmocka_unit_test(too_many_ranges_are_answered_with_all_of_the_file),
        cmocka_unit_test(joined_ranges_are_those_asked_for_and_the_gaps_between),
        HTTP_TEST(several_ranges_arrive_whole_however_little_is_taken_at_a_time),
        HTTP_TEST(a_connection_is_closed_behind_the_last_range),
        HTTP_TEST(a_client_that_goes_in_the_middle_leaves_nothing_behind),
        HTTP_TEST(without_memory_for_it_the_answer_is_503),
        HTTP_TEST(the_head_is_asked_for_without_ranges),
    };

    return cmocka_run_group_tests(tests, http_set_up_group, NULL);
}
