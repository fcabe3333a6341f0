/* SPDX-License-Identifier: MIT */
/* sources: apps/httpd/client.c apps/httpd/request.c apps/httpd/repeat.c apps/httpd/path.c */
/* sources: apps/httpd/authority.c apps/httpd/conditions.c apps/httpd/date.c apps/httpd/response.c */
/* sources: apps/httpd/site.c apps/httpd/mime.c apps/httpd/tar.c apps/httpd/text.c */
/* library: llhttp */
/* flags: -D_GNU_SOURCE -Dsend=fake_send -Drecv=fake_recv -Dclose=fake_close -Dshutdown=fake_shutdown */
/* flags: -Depoll_ctl=fake_epoll_ctl -Dmalloc=fake_malloc */
/*
 * Tests httpd's client.c: how long clients may take, and how connections end. There is one client
 * at a time; the test plays its connection and the clock.
 */
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "apps/httpd/client.h"
#include "apps/httpd/host.h"
#include "apps/httpd/site.h"
#include "apps/httpd/text.h"

#define FD         7
#define HOST       "Host: a\r\n"
#define GET_PAGE   "GET /page HTTP/1.1\r\n" HOST "\r\n"
#define PAGE_BYTES 100000

/* The connection. */
static struct {
    const char *input; /* what the client has sent and is not read */
    bool has_ended;    /* and behind it nothing follows */
    size_t room_bytes; /* that can be sent */
    char sent[2 * PAGE_BYTES];
    size_t sent_bytes;
    bool is_shut, is_closed;
    bool has_unread; /* when it was closed: that is a reset */
    struct client *client;
} wire;

static uint64_t now_ms;
static unsigned turned_away_count;
static unsigned blocks_left = UINT_MAX; /* so many can be had */
static bool has_no_watch;

ssize_t fake_send(int fd, const void *data, size_t bytes, int flags)
{
    assert_int_equal(fd, FD);
    assert_true((flags & MSG_NOSIGNAL) != 0 && !wire.is_closed);
    if (wire.room_bytes == 0) {
        errno = EAGAIN;
        return -1;
    }
    bytes = bytes < wire.room_bytes ? bytes : wire.room_bytes;
    assert_true(wire.sent_bytes + bytes < sizeof(wire.sent));
    memcpy(wire.sent + wire.sent_bytes, data, bytes);
    wire.sent_bytes += bytes;
    wire.room_bytes -= bytes;
    return (ssize_t)bytes;
}

ssize_t fake_recv(int fd, void *buffer, size_t bytes, int flags)
{
    size_t left = strlen(wire.input);

    assert_int_equal(fd, FD);
    assert_true(flags == 0 && !wire.is_closed);
    if (left == 0 && !wire.has_ended) {
        errno = EAGAIN;
        return -1;
    }
    bytes = bytes < left ? bytes : left;
    memcpy(buffer, wire.input, bytes);
    wire.input += bytes;
    return (ssize_t)bytes;
}

int fake_close(int fd)
{
    assert_int_equal(fd, FD);
    wire.is_closed = true;
    wire.has_unread = *wire.input != '\0';
    return 0;
}

int fake_shutdown(int fd, int how)
{
    assert_int_equal(fd, FD);
    assert_int_equal(how, SHUT_WR);
    wire.is_shut = true;
    return 0;
}

int fake_epoll_ctl(int epoll_fd, int operation, int fd, struct epoll_event *event)
{
    assert_int_equal(epoll_fd, 5);
    assert_int_equal(operation, EPOLL_CTL_ADD);
    assert_int_equal(fd, FD);
    wire.client = event->data.ptr;
    if (has_no_watch) {
        errno = ENOMEM;
        return -1;
    }
    return 0;
}

void *fake_malloc(size_t bytes)
{
    return blocks_left == 0 ? NULL : (blocks_left--, calloc(1, bytes));
}

void host_count_request(void)
{
}

static unsigned refusal_status;

void host_note_refusal(unsigned status)
{
    refusal_status = status;
}

void host_count_turned_away(void)
{
    turned_away_count++;
}

static void write_page(struct text *text)
{
    char part[1000];

    memset(part, 'p', sizeof(part));
    for (size_t i = 0; i < PAGE_BYTES / sizeof(part); i++) {
        text_add(text, part, sizeof(part));
    }
}

static void advance(uint64_t ms)
{
    now_ms += ms;
    client_set_time(now_ms);
    (void)client_expire();
}

static int set_up_group(void **state)
{
    (void)state;
    client_start(5);
    client_set_time(0);
    response_set_time(784111777);
    site_add_page("/page", "text/plain", write_page);
    return 0;
}

static int set_up(void **state)
{
    (void)state;
    memset(&wire, 0, sizeof(wire));
    wire.input = "";
    wire.room_bytes = SIZE_MAX;
    turned_away_count = 0;
    blocks_left = UINT_MAX;
    has_no_watch = false;
    return 0;
}

/* Nothing of a client stays behind, however it ended. */
static int tear_down(void **state)
{
    (void)state;
    return client_count() == 0 && wire.is_closed && client_expire() == -1 ? 0 : -1;
}

static void end_client(void)
{
    wire.has_ended = true;
    client_handle_events(wire.client, EPOLLIN | EPOLLRDHUP);
}

static bool has_sent(const char *text)
{
    return memmem(wire.sent, wire.sent_bytes, text, strlen(text)) != NULL;
}

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

/* --- Ends of connections --- */

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
        set_up(state);
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

    set_up(state);
    wire.input = "HEAD /none HTTP/1.1\r\n" HOST "\r\nnonsense\r\n\r\n";
    client_open(FD);
    assert_true(has_sent("<h1>400 "));
    end_client();
}

/* The status depended on how the bytes came: 400 when the method's end did not come with its
 * beginning. Found by fuzzing. */
static void a_method_is_judged_when_all_of_it_has_come(void **state)
{
    set_up(state);
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

    set_up(state);
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
    set_up(state);
    wire.input = "HEAD nowhere ";
    client_open(FD);
    assert_true(has_sent("HTTP/1.1 400 "));
    assert_false(has_sent("<h1>"));
    end_client();

    set_up(state);
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
    /* For itself. */
    wire.input = GET_PAGE;
    blocks_left = 0;
    client_open(FD);
    assert_true(has_sent("HTTP/1.1 503 "));
    assert_true(wire.is_closed && !wire.has_unread);
    assert_int_equal(turned_away_count, 1);

    /* For the part of a request that has come. */
    set_up(state);
    wire.input = "GET /page HTTP/1.1\r\n";
    blocks_left = 1;
    client_open(FD);
    assert_true(has_sent("HTTP/1.1 503 "));
    assert_int_equal(turned_away_count, 1);
    end_client();

    set_up(state);
    wire.input = "";
    has_no_watch = true;
    client_open(FD);
    assert_true(wire.is_closed);
    assert_int_equal(turned_away_count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_slow_download_goes_on_as_long_as_it_progresses, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(
            a_download_that_the_clock_finishes_waits_for_the_next_request, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_download_that_does_not_progress_ends, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_failed_download_ends_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_request_that_takes_too_long_is_told_so, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_response_survives_what_comes_behind_its_request, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_refusal_of_head_has_no_content_and_others_have, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_method_is_judged_when_all_of_it_has_come, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_refusal_of_head_has_no_content_wherever_it_is_wrong,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(after_a_transfer_coding_in_http_1_0_nothing_is_answered,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_client_that_is_turned_away_is_told_so_and_counted, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(without_memory_clients_are_turned_away_and_counted, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests(tests, set_up_group, NULL);
}
