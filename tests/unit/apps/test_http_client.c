/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/http_connection.c */
/* library: llhttp */
/* flags: -D_GNU_SOURCE -Dsendmsg=fake_sendmsg -Dsend=fake_send -DMSG_EOF=0x200 -DMSG_CLOSE=0x400 -Drecv=fake_recv -Dclose=fake_close -Dshutdown=fake_shutdown */
/* flags: -Depoll_ctl=fake_epoll_ctl -Dmalloc=fake_malloc */
/*
 * Tests httpd's client.c: how long clients may take, and how connections end.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>

#include <cmocka.h>

#include "apps/httpd/client.h"
#include "tests/unit/world/http_connection.h"

/* An idle client has up to a sixty-fourth of its time more. */
#define IDLE_SLACK_MS (1000 * CLIENT_IDLE_S / 64)

/* --- Slow clients --- */

/* One that takes too little to make an event used to be cut off after its first 30 seconds. */
static void a_slow_download_goes_on_as_long_as_it_progresses(void **state)
{
    (void)state;
    wire.input = GET_PAGE;
    wire.room_bytes = 1000;
    client_open(FD);
    for (size_t sent = 1000; sent + 1000 < PAGE_BYTES; sent += 1000) {
        assert_int_equal(wire.sent_bytes, sent);
        wire.room_bytes = 1000;
        advance(299000);
        assert_false(wire.is_closed);
        advance(1000);
        assert_false(wire.is_closed);
    }
    wire.room_bytes = SIZE_MAX;
    client_handle_events(wire.client, EPOLLOUT);
    assert_true(wire.sent_bytes > PAGE_BYTES);
    assert_false(wire.is_closed);
    end_client();
}

/* What it takes last also counts when it is found by the clock. */
static void a_download_that_the_clock_finishes_waits_for_the_next_request(void **state)
{
    (void)state;
    wire.input = GET_PAGE;
    wire.room_bytes = 1000;
    client_open(FD);
    wire.room_bytes = SIZE_MAX;
    advance(300000);
    assert_true(wire.sent_bytes > PAGE_BYTES);
    assert_false(wire.is_closed);
    wire.input = "GET /none HTTP/1.1\r\n" HOST "\r\n";
    client_handle_events(wire.client, EPOLLIN);
    assert_true(has_sent("HTTP/1.1 404 "));
    end_client();
}

static void a_download_that_does_not_progress_ends(void **state)
{
    (void)state;
    wire.input = GET_PAGE;
    wire.room_bytes = 1000;
    client_open(FD);
    advance(299999);
    assert_false(wire.is_closed);
    advance(1);
    assert_true(wire.is_closed);
}

static void a_failed_download_ends_at_once(void **state)
{
    (void)state;
    wire.input = GET_PAGE;
    wire.room_bytes = 1000;
    client_open(FD);
    wire.has_ended = true;
    client_handle_events(wire.client, EPOLLIN | EPOLLRDHUP); /* it may read on */
    assert_false(wire.is_closed);
    wire.room_bytes = SIZE_MAX;
    client_handle_events(wire.client, EPOLLOUT);
    assert_true(wire.is_closed);
}

static void a_request_that_takes_too_long_is_told_so(void **state)
{
    (void)state;
    wire.input = "GET /page HTTP/1.1\r\n";
    client_open(FD);
    advance(10000);
    wire.input = HOST;
    client_handle_events(wire.client, EPOLLIN);
    advance(9999);
    assert_int_equal(wire.sent_bytes, 0);
    advance(1);
    assert_true(has_sent("HTTP/1.1 408 "));
    assert_int_equal(refusal_status, 408);
    assert_true(wire.is_shut && !wire.is_closed);
    advance(2000);
    assert_true(wire.is_closed);
}

static void a_client_that_is_idle_has_its_own_time_and_is_told_nothing(void **state)
{
    (void)state;
    wire.input = "";
    client_open(FD);
    assert_int_equal(client_expire(), 20000);
    advance(19999);
    assert_int_equal(client_expire(), 1);
    assert_false(wire.is_closed);
    advance(1);
    assert_true(wire.is_closed && !wire.is_shut);
    assert_int_equal(wire.sent_bytes, 0);

    http_set_up(state);
    wire.input = "";
    client_open(FD);
    advance(15000);
    wire.input = GET_FILE;
    client_handle_events(wire.client, EPOLLIN);
    size_t sent_bytes = wire.sent_bytes;
    advance(10000);
    assert_int_equal(client_expire(), 50000 + IDLE_SLACK_MS);
    /* The next request's time runs from its first byte. */
    wire.input = "G";
    client_handle_events(wire.client, EPOLLIN);
    assert_int_equal(client_expire(), 20000);
    wire.input = GET_FILE + 1;
    client_handle_events(wire.client, EPOLLIN);
    assert_true(wire.sent_bytes == 2 * sent_bytes);
    advance(59999 + IDLE_SLACK_MS);
    assert_false(wire.is_closed);
    advance(1);
    assert_true(wire.is_closed && wire.sent_bytes == 2 * sent_bytes);
}

/* It need not move on its list each time. */
static void an_idle_client_has_its_whole_time_behind_each_request(void **state)
{
    (void)state;
    for (unsigned between_ms = 0; between_ms <= 60000; between_ms += 400) {
        http_set_up(state);
        wire.input = GET_FILE;
        client_open(FD);
        for (unsigned i = 0; i < 5; i++) {
            wire.sent_bytes = 0;
            wire.input = GET_FILE;
            advance(between_ms);
            client_handle_events(wire.client, EPOLLIN);
            assert_true(wire.sent_bytes > 0);
        }
        advance(59999);
        assert_false(wire.is_closed);
        advance(IDLE_SLACK_MS + 1);
        assert_true(wire.is_closed);
    }
}

/* --- Ends of connections --- */

static void a_connection_that_fails_while_it_is_answered_is_closed(void **state)
{
    (void)state;
    wire.input = GET_FILE GET_FILE;
    wire.send_error = ECONNRESET;
    client_open(FD);
    assert_true(wire.is_closed);
    assert_int_equal(wire.sent_bytes, 0);

    http_set_up(state);
    wire.input = GET_FILE;
    wire.room_bytes = 1000;
    client_open(FD);
    assert_false(wire.is_closed);
    wire.send_error = ECONNRESET;
    client_handle_events(wire.client, EPOLLERR);
    assert_true(wire.is_closed);
}

/* Bytes behind the last request are read before the close: unread they would reset the connection,
 * and the response with it (RFC 9112 9.6). */
static void a_response_survives_what_comes_behind_its_request(void **state)
{
    static const char *const inputs[] = {
        "GET /none HTTP/1.1\r\n" HOST "Connection: close\r\n\r\nGET /none HTTP/1.1\r\n",
        "CONNECT a:80 HTTP/1.1\r\n" HOST "\r\n",
        "nonsense\r\n\r\n",
        "POST / HTTP/1.1\r\n" HOST "Content-Length: 9999999\r\n\r\n",
    };

    for (size_t i = 0; i < sizeof(inputs) / sizeof(inputs[0]); i++) {
        http_set_up(state);
        wire.input = inputs[i];
        client_open(FD);
        assert_true(has_sent("HTTP/1.1 4"));
        assert_true(has_sent("Connection: close\r\n"));
        assert_true(wire.is_shut && !wire.is_closed);
        wire.input = "more";
        client_handle_events(wire.client, EPOLLIN);
        assert_false(wire.is_closed);
        end_client();
        assert_true(wire.is_closed && !wire.has_unread);
    }
}

/* RFC 9110 9.3.2; the request before it was one of HEAD, too. */
static void a_refusal_of_head_has_no_content_and_others_have(void **state)
{
    (void)state;
    wire.input = "HEAD /none HTTP/1.1\r\n" HOST "\r\nHEAD / HTTP/1.1\r\nHost: [zz]\r\n\r\n";
    client_open(FD);
    assert_true(has_sent("HTTP/1.1 400 "));
    assert_false(has_sent("<h1>"));
    end_client();

    http_set_up(state);
    wire.input = "HEAD /none HTTP/1.1\r\n" HOST "\r\nnonsense\r\n\r\n";
    client_open(FD);
    assert_true(has_sent("<h1>400 "));
    end_client();
}

/* The status depended on how the bytes came: 400 when the method's end did not come with its
 * beginning. Found by fuzzing. */
static void a_method_is_judged_when_all_of_it_has_come(void **state)
{
    http_set_up(state);
    wire.input = "BRE";
    client_open(FD);
    assert_int_equal(wire.sent_bytes, 0);
    wire.input = "W";
    client_handle_events(wire.client, EPOLLIN);
    assert_int_equal(wire.sent_bytes, 0);
    wire.input = " /pot HTTP/1.1\r\n";
    client_handle_events(wire.client, EPOLLIN);
    assert_true(has_sent("HTTP/1.1 501 "));
    end_client();

    http_set_up(state);
    wire.input = "BRE";
    client_open(FD);
    wire.input = "W\r\n";
    client_handle_events(wire.client, EPOLLIN);
    assert_true(has_sent("HTTP/1.1 400 "));
    end_client();
}

/* A refusal of HEAD has no content wherever the request was found wrong; one of a method that only
 * begins like it has. Found by fuzzing. */
static void a_refusal_of_head_has_no_content_wherever_it_is_wrong(void **state)
{
    http_set_up(state);
    wire.input = "HEAD nowhere ";
    client_open(FD);
    assert_true(has_sent("HTTP/1.1 400 "));
    assert_false(has_sent("<h1>"));
    end_client();

    http_set_up(state);
    wire.input = "HEADS / HTTP/1.1\r\n";
    client_open(FD);
    assert_true(has_sent("HTTP/1.1 501 "));
    assert_true(has_sent("<h1>501 "));
    end_client();
}

static void after_a_transfer_coding_in_http_1_0_nothing_is_answered(void **state)
{
    (void)state;
    wire.input =
        "POST /none HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n"
        "0\r\n\r\nGET /page HTTP/1.1\r\n" HOST "\r\n";
    client_open(FD);
    assert_true(has_sent("HTTP/1.1 405 "));
    assert_false(has_sent("HTTP/1.1 200 "));
    end_client();
}

/* --- No room --- */

static void a_client_that_is_turned_away_is_told_so_and_counted(void **state)
{
    (void)state;
    wire.input = GET_PAGE;
    client_turn_away(FD);
    assert_true(has_sent("HTTP/1.1 503 "));
    assert_true(has_sent("Retry-After: "));
    assert_true(wire.is_closed && !wire.has_unread);
    assert_int_equal(turned_away_count, 1);
}

static void without_memory_clients_are_turned_away_and_counted(void **state)
{
    (void)state;
    /* One that has closed may have left its place: this one takes it. */
    client_open(FD);
    struct client *other = wire.client;

    /* For itself. */
    wire.input = GET_PAGE;
    blocks_left = 0;
    client_open(FD);
    assert_true(has_sent("HTTP/1.1 503 "));
    assert_true(wire.is_closed && !wire.has_unread);
    assert_int_equal(turned_away_count, 1);

    /* For the part of a request that has come. */
    http_set_up(state);
    wire.input = "GET /page HTTP/1.1\r\n";
    blocks_left = 1;
    client_open(FD);
    assert_true(has_sent("HTTP/1.1 503 "));
    assert_int_equal(turned_away_count, 1);
    end_client();

    http_set_up(state);
    wire.input = "GET /page HTTP/1.1\r\n";
    blocks_left = 1; /* for the bytes, but not for what was made of them */
    client_open(FD);
    assert_true(has_sent("HTTP/1.1 503 "));
    assert_int_equal(turned_away_count, 1);
    end_client();

    http_set_up(state);
    wire.input = "";
    has_no_watch = true;
    client_open(FD);
    assert_true(wire.is_closed);
    assert_int_equal(turned_away_count, 1);

    wire.client = other;
    wire.is_closed = false;
    end_client();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HTTP_TEST(a_slow_download_goes_on_as_long_as_it_progresses),
        HTTP_TEST(a_download_that_the_clock_finishes_waits_for_the_next_request),
        HTTP_TEST(a_download_that_does_not_progress_ends),
        HTTP_TEST(a_failed_download_ends_at_once),
        HTTP_TEST(a_request_that_takes_too_long_is_told_so),
        HTTP_TEST(a_client_that_is_idle_has_its_own_time_and_is_told_nothing),
        HTTP_TEST(an_idle_client_has_its_whole_time_behind_each_request),
        HTTP_TEST(a_connection_that_fails_while_it_is_answered_is_closed),
        HTTP_TEST(a_response_survives_what_comes_behind_its_request),
        HTTP_TEST(a_refusal_of_head_has_no_content_and_others_have),
        HTTP_TEST(a_method_is_judged_when_all_of_it_has_come),
        HTTP_TEST(a_refusal_of_head_has_no_content_wherever_it_is_wrong),
        HTTP_TEST(after_a_transfer_coding_in_http_1_0_nothing_is_answered),
        HTTP_TEST(a_client_that_is_turned_away_is_told_so_and_counted),
        HTTP_TEST(without_memory_clients_are_turned_away_and_counted),
    };

    return cmocka_run_group_tests(tests, http_set_up_group, NULL);
}
