/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/http_connection.c */
/* library: llhttp */
/* flags: -D_GNU_SOURCE -Dsendmsg=fake_sendmsg -Dsend=fake_send -DMSG_EOF=0x200 -DMSG_CLOSE=0x400 -Drecv=fake_recv -Dclose=fake_close -Dshutdown=fake_shutdown */
/* flags: -Depoll_ctl=fake_epoll_ctl -Dmalloc=fake_malloc */
/*
 * Tests httpd's known.c, and client.c with it: requests that come again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#include <cmocka.h>

#include "apps/httpd/client.h"
#include "apps/httpd/known.h"
#include "apps/httpd/response.h"
#include "tests/unit/world/http_connection.h"

static bool is_known(const char *text)
{
    return known_find(text, strlen(text)) != NULL;
}

/* Its answer stands in wire.sent alone. */
static void ask(const char *text)
{
    wire.sent_bytes = 0;
    wire.input = text;
    if (wire.client == NULL) {
        client_open(FD);
    } else {
        client_handle_events(wire.client, EPOLLIN);
    }
}

static void a_request_that_comes_again_is_answered_as_before_with_the_date_of_now(void **state)
{
    static char first[sizeof(wire.sent)];

    (void)state;
    ask(GET_FILE);
    size_t bytes = wire.sent_bytes;
    memcpy(first, wire.sent, bytes);
    for (unsigned i = 0; i < 3; i++) {
        ask(GET_FILE);
        assert_int_equal(wire.sent_bytes, bytes);
        assert_memory_equal(wire.sent, first, bytes);
    }
    assert_true(is_known(GET_FILE));
    response_set_time(NOW_S + 1);
    ask(GET_FILE);
    assert_true(has_sent("Date: Sun, 06 Nov 1994 08:49:38 GMT\r\n"));
    assert_int_equal(wire.sent_bytes, bytes);
    response_set_time(NOW_S);
    end_client();
}

static void a_known_request_is_known_by_each_of_its_bytes(void **state)
{
    char text[] = GET_FILE;

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        ask(GET_FILE);
    }
    for (size_t i = 0; i < strlen(text); i++) {
        text[i] ^= 1;
        assert_false(is_known(text));
        text[i] ^= 1;
        assert_null(known_find(text, i));
    }
    assert_true(is_known(text));
    end_client();
}

static void a_known_request_ends_the_connection_if_it_says_so(void **state)
{
    static const char text[] = "GET /file HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n";

    for (unsigned i = 0; i < 4; i++) {
        http_set_up(state);
        ask(text);
        assert_true(wire.is_closed);
        assert_true(has_sent("Connection: close\r\n"));
        assert_int_equal(is_known(text), i > 0);
    }
}

/* What else is answered depends on more, or is made anew each time. */
static void only_whole_files_are_known(void **state)
{
    static const char *const texts[] = {
        "GET /none HTTP/1.1\r\n" HOST "Accept: x\r\n\r\n",
        "GET /page HTTP/1.1\r\n" HOST "Accept: x\r\n\r\n",
        "HEAD /file HTTP/1.1\r\n" HOST "Accept: x\r\n\r\n",
        "GET /file HTTP/1.1\r\n" HOST "Range: bytes=1-2\r\n\r\n",
        "GET /file HTTP/1.1\r\n" HOST "If-None-Match: \"x\"\r\n\r\n",
        "GET /file HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\nx",
        "POST /file HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        for (unsigned j = 0; j < 3; j++) {
            ask(texts[i]);
            assert_int_equal(count_sent("HTTP/1.1 "), 1);
            assert_false(is_known(texts[i]));
        }
    }
    end_client();
}

static void a_head_is_known_up_to_a_length(void **state)
{
    char text[KNOWN_HEAD_MAX_BYTES + 2];

    (void)state;
    for (size_t bytes = KNOWN_HEAD_MAX_BYTES; bytes <= KNOWN_HEAD_MAX_BYTES + 1; bytes++) {
        int start = snprintf(text, sizeof(text), "GET /file HTTP/1.1\r\n" HOST "X: ");
        memset(text + start, 'x', bytes - (size_t)start - 4);
        memcpy(text + bytes - 4, "\r\n\r\n", 5);
        for (unsigned i = 0; i < 3; i++) {
            ask(text);
            assert_true(has_sent("HTTP/1.1 200 "));
        }
        assert_int_equal(is_known(text), bytes == KNOWN_HEAD_MAX_BYTES);
    }
    end_client();
}

/* In pieces, or together with others, it is read as any request is. */
static void a_known_request_may_come_in_pieces_and_with_others(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        ask(GET_FILE);
    }
    ask("GET /file HTTP/1.1\r\n");
    assert_int_equal(wire.sent_bytes, 0);
    ask(HOST "\r\n");
    assert_int_equal(count_sent("HTTP/1.1 200 "), 1);
    ask(GET_FILE GET_FILE);
    assert_int_equal(count_sent("HTTP/1.1 200 "), 2);
    end_client();
}

/* The rest of its answer waits like any other's. */
/* Of a small file head and content are one piece: whatever is taken of it at first. */
static void a_short_connection_gets_its_whole_answer_however_little_is_taken_at_first(void **state)
{
    static const char text[] = "GET /small HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n";
    static char whole[1000];
    size_t bytes = 0;

    for (size_t room = 0; room == 0 || room <= bytes; room++) {
        http_set_up(state);
        wire.room_bytes = room < 3 ? SIZE_MAX : room - 3;
        ask(text);
        if (room < 3) { /* until it is known */
            bytes = wire.sent_bytes;
            assert_in_range(bytes, 1, sizeof(whole));
            memcpy(whole, wire.sent, bytes);
            assert_true(wire.is_closed);
            continue;
        }
        assert_true(is_known(text) && !wire.is_closed);
        assert_int_equal(wire.sent_bytes, room - 3);
        wire.room_bytes = SIZE_MAX;
        client_handle_events(wire.client, EPOLLOUT);
        assert_true(wire.is_closed);
        assert_int_equal(wire.sent_bytes, bytes);
        assert_memory_equal(wire.sent, whole, bytes);
    }
    /* Without memory for the rest it ends in the middle, and nothing else is said. */
    http_set_up(state);
    blocks_left = 0;
    wire.room_bytes = 10;
    ask(text);
    assert_true(wire.is_closed);
    assert_int_equal(wire.sent_bytes, 10);
}

static void the_answer_to_a_known_request_goes_on_when_there_is_room(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        ask(GET_FILE);
    }
    size_t bytes = wire.sent_bytes;
    wire.room_bytes = 100;
    ask(GET_FILE);
    assert_int_equal(wire.sent_bytes, 100);
    wire.room_bytes = SIZE_MAX;
    client_handle_events(wire.client, EPOLLOUT);
    assert_int_equal(wire.sent_bytes, bytes);
    ask("GET /none HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(count_sent("HTTP/1.1 404 "), 1);
    end_client();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HTTP_TEST(a_request_that_comes_again_is_answered_as_before_with_the_date_of_now),
        HTTP_TEST(a_known_request_is_known_by_each_of_its_bytes),
        HTTP_TEST(a_known_request_ends_the_connection_if_it_says_so),
        HTTP_TEST(only_whole_files_are_known),
        HTTP_TEST(a_head_is_known_up_to_a_length),
        HTTP_TEST(a_known_request_may_come_in_pieces_and_with_others),
        HTTP_TEST(a_short_connection_gets_its_whole_answer_however_little_is_taken_at_first),
        HTTP_TEST(the_answer_to_a_known_request_goes_on_when_there_is_room),
    };

    return cmocka_run_group_tests(tests, http_set_up_group, NULL);
}
