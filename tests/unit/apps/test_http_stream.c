/* SPDX-License-Identifier: MIT */
/* sources: apps/httpd/request.c apps/httpd/conditions.c apps/httpd/ranges.c apps/httpd/response.c */
/* sources: apps/httpd/multipart.c apps/httpd/sending.c */
/* sources: apps/httpd/site.c apps/httpd/archive.c apps/httpd/tag.c apps/httpd/encoding.c apps/httpd/settings.c */
/* sources: apps/httpd/settings_lookup.c apps/httpd/rules.c apps/httpd/listing.c apps/httpd/mime.c libc/core/tar.c */
/* sources: apps/httpd/text.c apps/httpd/date.c apps/httpd/authority.c apps/httpd/path.c apps/httpd/header.c */
/* library: llhttp */
/* flags: -D_GNU_SOURCE */
/*
 * Tests httpd's answers that are streams: what is told to who begins them, what their clients get
 * when they are refused, and that the connection is theirs alone from then on.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "apps/httpd/host.h"
#include "apps/httpd/request.h"
#include "apps/httpd/response.h"
#include "apps/httpd/sending.h"
#include "apps/httpd/site.h"
#include "apps/httpd/stream.h"

static unsigned counted_requests;
static int started_fd;
static struct stream *started;
static uint16_t next_status;
static struct stream_request asked;
static char query[64];

void host_count_request(void)
{
    counted_requests++;
}

static void start(struct stream *stream, int fd)
{
    started = stream;
    started_fd = fd;
}

static uint16_t begin(const struct stream_request *request, struct stream **stream,
                      char reason[STREAM_REASON_BYTES])
{
    static struct stream own = {.start = start};

    asked = *request;
    assert_true(request->query_bytes < sizeof(query));
    memcpy(query, request->query, request->query_bytes);
    query[request->query_bytes] = '\0';
    if (next_status != 200) {
        strcpy(reason, "no such colour");
    } else if (!request->is_head) {
        *stream = &own;
    }
    return next_status;
}

static struct response answer(const char *text)
{
    static char copy[1024];
    static struct request request;
    size_t bytes = strlen(text), consumed;
    struct response response;

    strcpy(copy, text);
    request_initialise(&request);
    assert_int_equal(request_parse(&request, copy, copy, bytes, &consumed), REQUEST_COMPLETE);
    assert_null(response_make(&response, &request, copy, PERSIST_NOT)); /* never known by heart */
    return response;
}

static int set_up(void **state)
{
    (void)state;
    site_add_stream("/flow", "text/x-flow", begin);
    return 0;
}

static void who_begins_is_told_what_was_asked(void **state)
{
    struct response response;

    (void)state;
    next_status = 200;
    response = answer("GET /flow?a=1&b HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_null(response.head);
    assert_non_null(response.owned);
    assert_int_equal(response.status, 200);
    assert_string_equal(query, "a=1&b");
    assert_true(asked.is_chunked);
    (void)answer("GET /flow HTTP/1.0\r\n\r\n");
    assert_string_equal(query, "");
    assert_false(asked.is_chunked);
    (void)answer("GET http://a/flow?x HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_string_equal(query, "x");
}

static void head_gets_the_head_alone(void **state)
{
    struct response response;

    (void)state;
    next_status = 200;
    response = answer("HEAD /flow HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_non_null(response.head);
    assert_true(asked.is_head);
    assert_non_null(strstr(response.head, "HTTP/1.1 200 "));
    assert_non_null(strstr(response.head, "Content-Type: text/x-flow\r\n"));
    assert_null(strstr(response.head, "Content-Length"));
    assert_string_equal(response.head + response.head_bytes - 4, "\r\n\r\n");
    free(response.owned);
}

static void a_refusal_has_its_reason(void **state)
{
    struct response response;

    (void)state;
    next_status = 400;
    response = answer("GET /flow?colour=red HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_int_equal(response.status, 400);
    assert_non_null(strstr(response.head, "HTTP/1.1 400 "));
    assert_non_null(strstr(response.head, "Content-Type: text/plain; charset=utf-8\r\n"));
    assert_non_null(strstr(response.head, "Content-Length: 15\r\n"));
    assert_non_null(strstr(response.head, "X-Content-Type-Options: nosniff\r\n"));
    assert_non_null(strstr(response.head, "\r\n\r\nno such colour\n"));
    free(response.owned);
    response = answer("HEAD /flow?colour=red HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_string_equal(response.head + response.head_bytes - 4, "\r\n\r\n");
    assert_null(strstr(response.head, "no such colour"));
    free(response.owned);
}

static void the_connection_is_the_streams_alone(void **state)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP};
    int epoll = epoll_create1(0);
    int pair[2], fd;
    struct response response;

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    for (unsigned is_watched = 0; is_watched < 2; is_watched++) {
        next_status = 200;
        response = answer("GET /flow HTTP/1.1\r\nHost: a\r\n\r\n");
        started = NULL;
        counted_requests = 0;
        if (is_watched) {
            assert_int_equal(epoll_ctl(epoll, EPOLL_CTL_ADD, pair[0], &event), 0);
        }
        fd = pair[0];
        assert_true(sending_hand_over(epoll, &fd, &response));
        assert_int_equal(fd, -1);
        assert_int_equal(started_fd, pair[0]);
        assert_non_null(started);
        assert_null(response.owned);
        assert_int_equal(counted_requests, 1);
    }
    assert_int_equal(write(pair[1], "x", 1), 1);
    assert_int_equal(epoll_wait(epoll, &event, 1, 0), 0);
    close(pair[0]);
    close(pair[1]);
    close(epoll);
}

static void other_responses_stay_where_they_are(void **state)
{
    struct response response;
    int fd = 77;

    (void)state;
    response = answer("GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_false(sending_hand_over(-1, &fd, &response));
    assert_int_equal(fd, 77);
    free(response.owned);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_begins_is_told_what_was_asked),
        cmocka_unit_test(head_gets_the_head_alone),
        cmocka_unit_test(a_refusal_has_its_reason),
        cmocka_unit_test(the_connection_is_the_streams_alone),
        cmocka_unit_test(other_responses_stay_where_they_are),
    };

    return cmocka_run_group_tests(tests, set_up, NULL);
}
