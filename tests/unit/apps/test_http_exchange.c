/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/http_connection.c */
/* library: llhttp */
/* flags: -D_GNU_SOURCE -Dsendmsg=fake_sendmsg -Dsend=fake_send -DMSG_EOF=0x200 -DMSG_CLOSE=0x400 -Drecv=fake_recv -Dclose=fake_close -Dshutdown=fake_shutdown */
/* flags: -Depoll_ctl=fake_epoll_ctl -Dmalloc=fake_malloc */
/*
 * Tests httpd's client.c: requests and responses that come and go whole, whatever the pieces.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#include <cmocka.h>

#include "apps/httpd/client.h"
#include "tests/unit/world/http_connection.h"

#define GET_NONE "GET /none HTTP/1.1\r\n" HOST "\r\n"

/* A head is sent together with the content behind it, if the system can. */
static void a_file_arrives_whole_however_little_is_taken_at_a_time(void **state)
{
    static const size_t rooms[] = {1, 100, 1000, PAGE_BYTES / 2, PAGE_BYTES, SIZE_MAX};

    for (size_t i = 0; i < sizeof(rooms) / sizeof(rooms[0]); i++) {
        size_t room = rooms[i];

        http_set_up(state);
        wire.input = GET_FILE;
        wire.room_bytes = room;
        client_open(FD);
        for (unsigned turns = 0; wire.room_bytes == 0; turns++) {
            assert_true(turns < 2 * PAGE_BYTES);
            assert_false(wire.is_closed);
            wire.room_bytes = room;
            client_handle_events(wire.client, EPOLLOUT);
        }
        const char *end = memmem(wire.sent, wire.sent_bytes, "\r\n\r\n", 4);
        assert_non_null(end);
        assert_int_equal(wire.sent + wire.sent_bytes - (end + 4), sizeof(http_file));
        assert_memory_equal(end + 4, http_file, sizeof(http_file));
        assert_true(room < SIZE_MAX || wire.send_count == 1);
        end_client();
    }
}

/* All clients share a file's head, in which the date is renewed. */
static void a_head_that_is_sent_in_parts_keeps_its_date(void **state)
{
    struct request another = {
        .is_complete = true, .method = HTTP_GET, .target = {.offset = 4, .bytes = 5}};
    struct response response;
    static const char head[] = "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n";

    (void)state;
    wire.input = GET_FILE;
    wire.room_bytes = 30;
    client_open(FD);
    response_set_time(NOW_S + 100000000);
    response_make(&response, &another, GET_FILE, PERSIST_SILENTLY);
    response_set_time(NOW_S);
    wire.room_bytes = SIZE_MAX;
    client_handle_events(wire.client, EPOLLOUT);
    assert_memory_equal(wire.sent, head, strlen(head));
    end_client();

    /* Without memory to keep it: rather nothing than a wrong one. */
    http_set_up(state);
    wire.input = GET_FILE;
    wire.room_bytes = 30;
    blocks_left = 0; /* the last client has left its place */
    client_open(FD);
    assert_true(wire.is_closed);
    assert_int_equal(wire.sent_bytes, 30);
}

static void requests_that_come_together_are_answered_in_order(void **state)
{
    static const size_t rooms[] = {SIZE_MAX, 5, 1000};

    for (size_t i = 0; i < sizeof(rooms) / sizeof(rooms[0]); i++) {
        http_set_up(state);
        wire.input = "HEAD /page HTTP/1.1\r\n" HOST "\r\nHEAD /none HTTP/1.1\r\n" HOST
                     "\r\nOPTIONS / HTTP/1.1\r\n" HOST "\r\nHEAD /page HTT";
        wire.room_bytes = rooms[i];
        client_open(FD);
        wire.room_bytes = SIZE_MAX;
        client_handle_events(wire.client, EPOLLOUT);
        wire.input = "P/1.1\r\n" HOST "\r\n";
        client_handle_events(wire.client, EPOLLIN);
        char *second = strstr(wire.sent, "HTTP/1.1 404 ");
        char *third = strstr(wire.sent, "HTTP/1.1 204 ");
        assert_memory_equal(wire.sent, "HTTP/1.1 200 ", 13);
        assert_true(second != NULL && third > second);
        assert_non_null(strstr(third, "HTTP/1.1 200 "));
        assert_int_equal(count_sent("HTTP/1.1 "), 4);
        end_client();
    }
}

/* A short read has emptied the socket. Only where the client's end has come too, it is read. */
static void a_request_costs_one_read(void **state)
{
    (void)state;
    wire.input = GET_NONE;
    client_open(FD);
    assert_int_equal(wire.reads, 1);
    wire.input = GET_NONE;
    client_handle_events(wire.client, EPOLLIN);
    assert_int_equal(wire.reads, 2);
    wire.input = GET_NONE;
    end_client();
    assert_int_equal(wire.reads, 4);
    assert_true(wire.is_closed);
    assert_int_equal(count_sent("HTTP/1.1 "), 3);
}

/* Of any length that is allowed, and in as many pieces. */
static void a_long_head_that_comes_in_pieces_is_answered(void **state)
{
    static const size_t firsts[] = {1, 2048, 2049, 15000};
    static char head[16000], piece[sizeof(head)];
    size_t bytes = 0;

    strcpy(head, "GET /none HTTP/1.1\r\n" HOST);
    while ((bytes = strlen(head)) < sizeof(head) - 100) {
        sprintf(head + bytes, "Field: %064zu\r\n", bytes);
    }
    strcpy(head + bytes, "\r\n");
    for (size_t i = 0; i < sizeof(firsts) / sizeof(firsts[0]); i++) {
        size_t step = firsts[i];

        http_set_up(state);
        wire.input = "";
        client_open(FD);
        for (size_t at = 0; head[at] != '\0'; at += strlen(piece), step = 1900) {
            assert_int_equal(wire.sent_bytes, 0);
            snprintf(piece, step + 1, "%s", head + at);
            wire.input = piece;
            client_handle_events(wire.client, EPOLLIN);
        }
        assert_true(has_sent("HTTP/1.1 404 "));
        assert_int_equal(count_sent("HTTP/1.1 "), 1);
        end_client();
    }
}

/* RFC 9110 10.1.1. What frames the body is not the body yet. */
static void a_client_that_waits_to_send_its_body_is_invited_once(void **state)
{
    static const struct {
        const char *field, *first, *rest;
    } bodies[] = {{"Content-Length: 4\r\n", "bo", "dy"},
                  {"Transfer-Encoding: chunked\r\n", "4\r\n", "body\r\n0\r\n\r\n"}};
    char head[128];

    for (size_t i = 0; i < 4; i++) {
        http_set_up(state);
        snprintf(head, sizeof(head),
                 "POST /page HTTP/1.1\r\n" HOST "%sExpect: 100-continue\r\n\r\n",
                 bodies[i / 2].field);
        wire.input = head;
        wire.room_bytes = i % 2 == 0 ? SIZE_MAX : 5;
        client_open(FD);
        wire.room_bytes = SIZE_MAX;
        client_handle_events(wire.client, EPOLLOUT);
        assert_string_equal(wire.sent, "HTTP/1.1 100 Continue\r\n\r\n");
        wire.input = bodies[i / 2].first;
        client_handle_events(wire.client, EPOLLIN);
        assert_string_equal(wire.sent, "HTTP/1.1 100 Continue\r\n\r\n");
        wire.input = bodies[i / 2].rest;
        client_handle_events(wire.client, EPOLLIN);
        assert_int_equal(count_sent("HTTP/1.1 100 "), 1);
        assert_int_equal(count_sent("HTTP/1.1 405 "), 1);
        assert_false(wire.is_shut || wire.is_closed);
        end_client();
    }
}

/* What comes behind the last request is not kept while its response waits. */
static void a_last_response_needs_no_memory_for_what_follows(void **state)
{
    (void)state;
    wire.input = "GET /file HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n" GET_PAGE;
    wire.room_bytes = 1000;
    blocks_left = 3; /* for the client, for the head that is made first, and for its response */
    client_open(FD);
    assert_false(wire.is_closed);
    wire.room_bytes = SIZE_MAX;
    client_handle_events(wire.client, EPOLLOUT);
    assert_true(wire.is_shut && !wire.is_closed);
    assert_true(wire.sent_bytes > PAGE_BYTES);
    assert_int_equal(count_sent("HTTP/1.1 "), 1);
    end_client();
}

/* One that has sent a part, one that is answered in between, and one that takes its response
 * slowly: what is under way for one client is not another's. */
static void clients_in_the_middle_of_a_request_do_not_mix(void **state)
{
    struct client *first, *second, *third;

    (void)state;
    wire.input = "GET /file HTTP/1.1\r\n" HOST "X: ";
    client_open(FD);
    first = wire.client;
    wire.input = "HEAD /none HTTP/1.1\r\n" HOST "\r\nGET /none HT";
    client_open(FD);
    second = wire.client;
    assert_int_equal(count_sent("HTTP/1.1 404 "), 1);
    wire.input = GET_PAGE;
    wire.room_bytes = 1000;
    client_open(FD);
    third = wire.client;
    size_t sent_bytes = wire.sent_bytes;
    wire.room_bytes = SIZE_MAX;
    wire.input = "y\r\n\r\n";
    client_handle_events(first, EPOLLIN);
    assert_true(wire.sent_bytes > sent_bytes + PAGE_BYTES);
    assert_memory_equal(wire.sent + wire.sent_bytes - PAGE_BYTES, http_file, PAGE_BYTES);
    wire.input = "TP/1.1\r\n" HOST "\r\n";
    client_handle_events(second, EPOLLIN);
    assert_int_equal(count_sent("HTTP/1.1 404 "), 2);
    sent_bytes = wire.sent_bytes;
    client_handle_events(third, EPOLLOUT);
    assert_true(wire.sent_bytes > sent_bytes + PAGE_BYTES - 1000);
    assert_int_equal(count_sent("HTTP/1.1 200 "), 2);
    for (struct client *each[] = {first, second, third}, **client = each; client < each + 3;
         client++) {
        wire.is_closed = false;
        wire.client = *client;
        end_client();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HTTP_TEST(a_file_arrives_whole_however_little_is_taken_at_a_time),
        HTTP_TEST(a_head_that_is_sent_in_parts_keeps_its_date),
        HTTP_TEST(requests_that_come_together_are_answered_in_order),
        HTTP_TEST(a_request_costs_one_read),
        HTTP_TEST(a_long_head_that_comes_in_pieces_is_answered),
        HTTP_TEST(a_client_that_waits_to_send_its_body_is_invited_once),
        HTTP_TEST(a_last_response_needs_no_memory_for_what_follows),
        HTTP_TEST(clients_in_the_middle_of_a_request_do_not_mix),
    };

    return cmocka_run_group_tests(tests, http_set_up_group, NULL);
}
