/* SPDX-License-Identifier: MIT */
/* sources: apps/webswamp/load.c apps/webswamp/session.c apps/webswamp/answer.c */
/* sources: apps/webswamp/schedule.c apps/webswamp/targets.c apps/webswamp/histogram.c */
/* sources: apps/webswamp/errors.c apps/webswamp/options.c apps/webswamp/linux/host.c */
/* library: llhttp */
/* flags: -D_GNU_SOURCE */
/*
 * Tests webswamp's event loop over this host's own sockets, against a server in a thread that does
 * what each test wants of it: what becomes of each request, and that each is counted once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "apps/webswamp/load.h"
#include "apps/webswamp/targets.h"

#define CLIENTS_MAX 64
#define LONG_ANSWER 300000u

#define GOOD  "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\npika"
#define CLOSE "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 4\r\n\r\npika"

enum then { THEN_KEEP, THEN_CLOSE, THEN_RESET, THEN_SILENCE };

/* What the server does with request i of all: answers[i % count]. */
static struct {
    int listener, stop_pipe[2];
    uint16_t port;
    const char *answers[4];
    unsigned answer_count;
    enum then then;
    unsigned requests, connections;
    pthread_t thread;
} server;

static struct result result;

/* --- The server --- */

static bool has_request(int fd)
{
    char request[4096];
    ssize_t bytes = recv(fd, request, sizeof(request), 0);

    return bytes > 4 && memcmp(request + bytes - 4, "\r\n\r\n", 4) == 0;
}

/* False: it is closed. */
static bool serve(int fd)
{
    struct linger reset = {.l_onoff = 1};
    const char *answer;

    if (!has_request(fd)) {
        close(fd);
        return false;
    }
    answer = server.answers[server.requests++ % server.answer_count];
    if (answer != NULL) {
        assert_int_equal(send(fd, answer, strlen(answer), MSG_NOSIGNAL), strlen(answer));
    }
    if (server.then == THEN_KEEP || server.then == THEN_SILENCE) {
        return true;
    }
    if (server.then == THEN_RESET) {
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    }
    close(fd);
    return false;
}

static void *run_server(void *argument)
{
    struct pollfd files[CLIENTS_MAX + 2] = {{.fd = server.stop_pipe[0], .events = POLLIN},
                                            {.fd = server.listener, .events = POLLIN}};
    unsigned count = 2;

    (void)argument;
    while (poll(files, count, -1) > 0 && files[0].revents == 0) {
        for (unsigned i = 2; i < count; i++) {
            if (files[i].revents != 0 && !serve(files[i].fd)) {
                files[i--] = files[--count];
            }
        }
        if (files[1].revents != 0 && count < CLIENTS_MAX + 2) {
            files[count++] =
                (struct pollfd){.fd = accept(server.listener, NULL, NULL), .events = POLLIN};
            server.connections++;
        }
    }
    for (unsigned i = 2; i < count; i++) {
        close(files[i].fd);
    }
    return NULL;
}

/* On a port of its own. */
static void listen_anywhere(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof(address);

    memset(&server, 0, sizeof(server));
    memset(&result, 0, sizeof(result));
    server.listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(server.listener, (struct sockaddr *)&address, bytes), 0);
    assert_int_equal(getsockname(server.listener, (struct sockaddr *)&address, &bytes), 0);
    server.port = ntohs(address.sin_port);
}

static void start_server(enum then then, unsigned answer_count, const char *const *answers)
{
    listen_anywhere();
    assert_int_equal(listen(server.listener, CLIENTS_MAX), 0);
    server.then = then;
    server.answer_count = answer_count;
    memcpy(server.answers, answers, answer_count * sizeof(answers[0]));
    assert_int_equal(pipe(server.stop_pipe), 0);
    assert_int_equal(pthread_create(&server.thread, NULL, run_server, NULL), 0);
}

static void stop_server(void)
{
    close(server.stop_pipe[1]);
    pthread_join(server.thread, NULL);
    close(server.stop_pipe[0]);
    close(server.listener);
}

/* --- The load --- */

/* Options of the text, and the server's URL. */
static void load(const char *text, const char *more_paths)
{
    char line[256], reason[128];
    char *words[32] = {"webswamp"};
    struct options options;
    int count = 1;

    (void)snprintf(line, sizeof(line), "%s http://127.0.0.1:%u/ %s", text, server.port, more_paths);
    for (char *word = strtok(line, " "); word != NULL; word = strtok(NULL, " ")) {
        words[count++] = word;
    }
    assert_true(options_parse(&options, count, words, reason, sizeof(reason)));
    assert_true(targets_make(&options));
    assert_int_equal(load_run(&options, &result), 0);
    targets_release();
    assert_true(result.end_ns >= result.start_ns);
    assert_int_equal(result.latencies.count, result.responses);
}

static void assert_only_error(enum load_error error, unsigned count)
{
    assert_int_equal(result.errors[error], count);
    assert_int_equal(result_error_count(&result), count);
}

static void assert_answered(unsigned count)
{
    assert_int_equal(result_error_count(&result), 0);
    assert_int_equal(result.responses, count);
    assert_int_equal(result.requests, count);
    assert_int_equal(server.requests, count);
}

static void each_request_has_a_connection_of_its_own(void **state)
{
    (void)state;
    start_server(THEN_CLOSE, 1, (const char *[]){CLOSE});
    load("-c 3 -n 100", "");
    stop_server();
    assert_answered(100);
    assert_int_equal(server.connections, 100);
    assert_int_equal(result.opened, 100);
    assert_int_equal(result.bytes, 100 * strlen(CLOSE));
}

static void kept_connections_are_as_many_as_were_asked_for(void **state)
{
    (void)state;
    start_server(THEN_KEEP, 1, (const char *[]){GOOD});
    load("-c 5 -n 200 -k", "");
    stop_server();
    assert_answered(200);
    assert_in_range(server.connections, 1, 5);
}

/* Whatever the client has asked for. */
static void who_closes_kept_connections_is_connected_to_again(void **state)
{
    (void)state;
    start_server(THEN_CLOSE, 1, (const char *[]){CLOSE});
    load("-c 2 -n 50 -k", "");
    stop_server();
    assert_answered(50);
    assert_int_equal(server.connections, 50);
}

static void an_answer_that_ends_with_its_connection_is_whole(void **state)
{
    (void)state;
    start_server(THEN_CLOSE, 1, (const char *[]){"HTTP/1.0 200 OK\r\n\r\nall of it"});
    load("-c 2 -n 20", "");
    stop_server();
    assert_answered(20);
}

static void requests_at_a_rate_are_as_many_as_it_says(void **state)
{
    (void)state;
    start_server(THEN_KEEP, 1, (const char *[]){GOOD});
    load("-c 4 -R 400 -d 500ms -k", "");
    stop_server();
    assert_answered(200);
    assert_true(result.end_ns - result.start_ns >= 497000000u); /* the last one's time */
}

static void what_was_due_while_nobody_answered_is_counted_too(void **state)
{
    (void)state;
    start_server(THEN_SILENCE, 1, (const char *[]){NULL});
    load("-c 1 -R 1000 -n 40 -s 100ms", "");
    stop_server();
    /* Some were sent, one after the other, and each was given up; the rest was due meanwhile. */
    assert_int_equal(result.responses, 0);
    assert_int_equal(result.errors[LOAD_ERROR_TIMEOUT] + result.errors[LOAD_ERROR_UNSENT], 40);
    assert_int_equal(result_error_count(&result), 40);
    assert_true(result.errors[LOAD_ERROR_UNSENT] >= 30);
}

static void a_port_where_nobody_listens_refuses(void **state)
{
    (void)state;
    listen_anywhere();
    load("-c 4 -n 12", "");
    close(server.listener);
    assert_only_error(LOAD_ERROR_REFUSED, 12);
    assert_int_equal(result.requests, 12);
    assert_int_equal(result.opened, 0);
}

static void a_reset_is_told(void **state)
{
    (void)state;
    start_server(THEN_RESET, 1, (const char *[]){"HTTP/1.1 200 OK\r\n"});
    load("-c 2 -n 10", "");
    stop_server();
    assert_only_error(LOAD_ERROR_RESET, 10);
}

static void an_end_in_the_middle_is_told(void **state)
{
    (void)state;
    start_server(THEN_CLOSE, 1,
                 (const char *[]){"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\npika"});
    load("-c 2 -n 10", "");
    stop_server();
    assert_only_error(LOAD_ERROR_CLOSED, 10);
}

static void silence_is_told_after_the_time_out(void **state)
{
    (void)state;
    start_server(THEN_SILENCE, 1, (const char *[]){NULL});
    load("-c 2 -n 4 -s 20ms", "");
    stop_server();
    assert_only_error(LOAD_ERROR_TIMEOUT, 4);
}

static void what_is_no_http_is_told(void **state)
{
    (void)state;
    start_server(THEN_KEEP, 1, (const char *[]){"220 mail.example ESMTP\r\n"});
    load("-c 2 -n 10 -k", "");
    stop_server();
    assert_only_error(LOAD_ERROR_BAD_ANSWER, 10);
}

static void a_bad_status_is_an_answer_and_an_error(void **state)
{
    (void)state;
    start_server(THEN_KEEP, 2,
                 (const char *[]){GOOD, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"});
    load("-c 1 -n 10 -k", "");
    stop_server();
    assert_int_equal(result.responses, 10);
    assert_only_error(LOAD_ERROR_STATUS, 5);
}

static void another_body_than_the_first_is_found_if_that_was_asked_for(void **state)
{
    static const char *const answers[] = {GOOD, GOOD,
                                          "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\npixa", GOOD};

    (void)state;
    start_server(THEN_KEEP, 4, answers);
    load("-c 1 -n 12 -k --verify", "");
    stop_server();
    assert_int_equal(result.responses, 12);
    assert_only_error(LOAD_ERROR_MISMATCH, 3);
    start_server(THEN_KEEP, 4, answers);
    load("-c 1 -n 12 -k", "");
    stop_server();
    assert_answered(12);
}

static void each_path_has_a_first_body_of_its_own(void **state)
{
    (void)state;
    start_server(THEN_KEEP, 2,
                 (const char *[]){GOOD, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab"});
    load("-c 1 -n 20 -k --verify", "/other");
    stop_server();
    assert_answered(20);
}

/* More than is read at a time, and than is read before others have their turn. */
static void long_answers_are_read_to_their_end(void **state)
{
    static char answer[LONG_ANSWER + 128];
    int head_bytes = snprintf(answer, sizeof(answer),
                              "HTTP/1.1 200 OK\r\nContent-Length: %u\r\n\r\n", LONG_ANSWER);

    (void)state;
    memset(answer + head_bytes, 'x', LONG_ANSWER);
    start_server(THEN_KEEP, 1, (const char *[]){answer});
    load("-c 3 -n 60 -k --verify", "");
    stop_server();
    assert_answered(60);
    assert_int_equal(result.bytes, 60ull * (LONG_ANSWER + (unsigned)head_bytes));
}

static void each_errno_is_of_a_kind(void **state)
{
    assert_int_equal(load_error_of(EMFILE, true), LOAD_ERROR_LOCAL);
    assert_int_equal(load_error_of(EADDRNOTAVAIL, true), LOAD_ERROR_LOCAL);
    assert_int_equal(load_error_of(EHOSTUNREACH, true), LOAD_ERROR_UNREACHABLE);
    assert_int_equal(load_error_of(ETIMEDOUT, true), LOAD_ERROR_CONNECT_TIMEOUT);
    assert_int_equal(load_error_of(ETIMEDOUT, false), LOAD_ERROR_TIMEOUT);
    assert_int_equal(load_error_of(EPIPE, false), LOAD_ERROR_RESET);
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_request_has_a_connection_of_its_own),
        cmocka_unit_test(kept_connections_are_as_many_as_were_asked_for),
        cmocka_unit_test(who_closes_kept_connections_is_connected_to_again),
        cmocka_unit_test(an_answer_that_ends_with_its_connection_is_whole),
        cmocka_unit_test(requests_at_a_rate_are_as_many_as_it_says),
        cmocka_unit_test(what_was_due_while_nobody_answered_is_counted_too),
        cmocka_unit_test(a_port_where_nobody_listens_refuses),
        cmocka_unit_test(a_reset_is_told),
        cmocka_unit_test(an_end_in_the_middle_is_told),
        cmocka_unit_test(silence_is_told_after_the_time_out),
        cmocka_unit_test(what_is_no_http_is_told),
        cmocka_unit_test(a_bad_status_is_an_answer_and_an_error),
        cmocka_unit_test(another_body_than_the_first_is_found_if_that_was_asked_for),
        cmocka_unit_test(each_path_has_a_first_body_of_its_own),
        cmocka_unit_test(long_answers_are_read_to_their_end),
        cmocka_unit_test(each_errno_is_of_a_kind),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
