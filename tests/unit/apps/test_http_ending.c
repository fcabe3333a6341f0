/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/http_connection.c */
/* library: llhttp */
/* flags: -D_GNU_SOURCE -Dsendmsg=fake_sendmsg -Dsend=fake_send -DMSG_EOF=0x200 -DMSG_CLOSE=0x400 -Drecv=fake_recv -Dclose=fake_close -Dshutdown=fake_shutdown */
/* flags: -Depoll_ctl=fake_epoll_ctl -Dmalloc=fake_malloc */
/*
 * Tests apps/httpd/client.c: connections whose node is about to go.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <sys/epoll.h>

#include "apps/httpd/client.h"
#include "apps/httpd/known.h"
#include "tests/unit/world/http_connection.h"

#define HALF "GET /file HTTP/1.1\r\n"

static void ask_again(void)
{
    wire.sent_bytes = 0;
    wire.input = GET_FILE;
    client_handle_events(wire.client, EPOLLIN);
}

/* Also one whose answer is known by heart, which is the same as ever for all others. */
static void the_next_answer_is_the_last(void **state)
{
    for (unsigned i = 0; i < 4; i++) {
        http_set_up(state);
        wire.input = GET_FILE;
        client_open(FD);
        for (unsigned j = 0; j < i; j++) {
            ask_again();
        }
        assert_false(wire.is_closed);
        assert_false(has_sent("Connection: close\r\n"));
        is_ending = true;
        ask_again();
        assert_true(has_sent("HTTP/1.1 200 OK\r\n"));
        assert_true(has_sent("Connection: close\r\n"));
        assert_true(wire.is_closed && !wire.has_unread);
    }
    assert_int_equal(known_find(GET_FILE, strlen(GET_FILE))->persistence, PERSIST_SILENTLY);
}

static void a_new_one_is_answered_once(void **state)
{
    (void)state;
    is_ending = true;
    wire.input = GET_FILE;
    client_open(FD);
    assert_true(has_sent("Connection: close\r\n"));
    assert_true(wire.is_closed);
}

static void one_without_a_request_is_closed_after_a_second(void **state)
{
    (void)state;
    wire.input = GET_FILE;
    client_open(FD);
    advance(500);
    is_ending = true;
    client_handle_events(wire.client, EPOLLOUT); /* so it is told */
    advance(600);
    client_handle_events(wire.client, EPOLLOUT);
    advance(399);
    assert_false(wire.is_closed);
    advance(1);
    assert_true(wire.is_closed);
}

static void a_request_that_has_begun_has_its_time(void **state)
{
    (void)state;
    wire.input = HALF;
    client_open(FD);
    is_ending = true;
    client_handle_events(wire.client, EPOLLOUT);
    advance(15000);
    assert_false(wire.is_closed);
    wire.input = GET_FILE + strlen(HALF);
    client_handle_events(wire.client, EPOLLIN);
    assert_true(has_sent("HTTP/1.1 200 OK\r\n"));
    assert_true(has_sent("Connection: close\r\n"));
    assert_true(wire.is_closed);
}

static void one_that_begins_within_that_second_has_its_time_too(void **state)
{
    (void)state;
    wire.input = GET_FILE;
    client_open(FD);
    is_ending = true;
    client_handle_events(wire.client, EPOLLOUT);
    advance(999);
    wire.input = HALF;
    client_handle_events(wire.client, EPOLLIN);
    advance(15000);
    assert_false(wire.is_closed);
    wire.input = GET_FILE + strlen(HALF);
    wire.sent_bytes = 0;
    client_handle_events(wire.client, EPOLLIN);
    assert_true(has_sent("Connection: close\r\n"));
    assert_true(wire.is_closed);
}

static void a_download_goes_on_to_its_end(void **state)
{
    (void)state;
    wire.input = GET_PAGE;
    wire.room_bytes = 1000;
    client_open(FD);
    is_ending = true;
    advance(200000);
    assert_false(wire.is_closed);
    wire.room_bytes = SIZE_MAX;
    client_handle_events(wire.client, EPOLLOUT);
    assert_true(wire.sent_bytes > PAGE_BYTES);
    advance(1000);
    assert_true(wire.is_closed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HTTP_TEST(the_next_answer_is_the_last),
        HTTP_TEST(a_new_one_is_answered_once),
        HTTP_TEST(one_without_a_request_is_closed_after_a_second),
        HTTP_TEST(a_request_that_has_begun_has_its_time),
        HTTP_TEST(one_that_begins_within_that_second_has_its_time_too),
        HTTP_TEST(a_download_goes_on_to_its_end),
    };

    return cmocka_run_group_tests(tests, http_set_up_group, NULL);
}
