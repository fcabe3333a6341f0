/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/socket_world.c tests/unit/world/application_world.c */
/* flags: -D_GNU_SOURCE -include tests/unit/world/rename_sockets.h */
/*
 * Tests the sockets of libc/: listening and accepting.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kernel/message/dispatch.h"
#include "kernel/platform.h"
#include "kernel/thread/thread.h"
#include "tests/unit/world/fake_platform.h"
#include "tests/unit/world/socket_world.h"

static void a_port_is_served_by_one_listener_only(void **state)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    int first = open_listener(4);
    int second = socket(AF_INET, SOCK_STREAM, 0);

    (void)state;
    assert_int_equal(bind(second, (struct sockaddr *)&address, sizeof(address)), -1);
    assert_int_equal(errno, EADDRINUSE);
    close(second);
    close_listener(first);
}

/* As on Linux: SO_REUSEADDR lets two have the port until one of them listens. */
static void of_two_with_a_port_one_may_listen(void **state)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    const int yes = 1;
    int fds[2];

    (void)state;
    for (int i = 0; i < 2; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM, 0);
        assert_int_equal(setsockopt(fds[i], SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)), 0);
        assert_int_equal(bind(fds[i], (struct sockaddr *)&address, sizeof(address)), 0);
    }
    assert_int_equal(listen(fds[0], 1), 0);
    expect_listen(1);
    assert_int_equal(listen(fds[1], 1), -1);
    assert_int_equal(errno, EADDRINUSE);
    close(fds[1]);
    close_listener(fds[0]);
}

static void unbound_and_foreign_sockets_are_refused(void **state)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    (void)state;
    assert_int_equal(listen(fd, 1), -1);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(accept(fd, NULL, NULL), -1);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(recv(fd, NULL, 0, 0), -1);
    assert_int_equal(errno, ENOTCONN);
    close(fd);
    assert_int_equal(close(fd), -1);
    assert_int_equal(errno, EBADF);
    assert_int_equal(socket(AF_INET6, SOCK_STREAM, 0), -1);
    assert_int_equal(errno, EAFNOSUPPORT);
    assert_int_equal(socket(AF_INET, SOCK_RAW, 0), -1);
    assert_int_equal(errno, EPROTONOSUPPORT);
}

static void descriptors_get_the_lowest_free_number(void **state)
{
    int fds[200];

    (void)state;
    for (int i = 0; i < 200; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM, 0);
        assert_int_equal(fds[i], 3 + i);
    }
    close(fds[150]);
    close(fds[5]);
    assert_int_equal(socket(AF_INET, SOCK_STREAM, 0), fds[5]);
    assert_int_equal(socket(AF_INET, SOCK_STREAM, 0), fds[150]);
    for (int i = 0; i < 200; i++) {
        close(fds[i]);
    }
}

/* In whatever order they are closed. */
static void the_lowest_number_is_free_again_at_once(void **state)
{
    bool is_open[200] = {false};
    uint32_t chance = 1;

    (void)state;
    for (unsigned step = 0; step < 20000; step++) {
        unsigned place = (chance = chance * 1664525 + 1013904223) >> 8;

        /* It is nearly empty, nearly full, and between, and often the last one goes first. */
        place %= 1 + step / 100 % ARRAY_COUNT(is_open);
        if (is_open[place]) {
            assert_int_equal(close(3 + (int)place), 0);
            is_open[place] = false;
        } else {
            unsigned lowest = 0;
            while (is_open[lowest]) {
                lowest++;
            }
            assert_int_equal(socket(AF_INET, SOCK_STREAM, 0), 3 + (int)lowest);
            is_open[lowest] = true;
        }
    }
    for (unsigned i = 0; i < ARRAY_COUNT(is_open); i++) {
        assert_int_equal(close(3 + (int)i), is_open[i] ? 0 : -1);
    }
}

static void accept_asks_once_claims_what_is_available_and_returns_what_was_confirmed(void **state)
{
    struct sockaddr_in peer;
    socklen_t bytes = sizeof(peer);
    char text[16];
    int listener = open_listener(4);

    (void)state;
    expect_ask(listener);
    assert_int_equal(accept(listener, NULL, NULL), -1);
    fake_expect_no_message(own_cm);

    /* Nobody waits: it lies until the next accept(), which claims but must not return. */
    make_available(7, 3, "GET ");
    fake_expect_no_message(TS);
    assert_int_equal(accept(listener, NULL, NULL), -1);
    assert_int_equal(errno, EAGAIN);
    uint32_t stream_index = expect_claim(7, 3);
    confirm(7, 3, stream_index, "/");

    int fd = accept(listener, (struct sockaddr *)&peer, &bytes);
    assert_true(fd > listener);
    assert_int_equal(bytes, sizeof(peer));
    assert_int_equal(peer.sin_addr.s_addr, htonl(0x0A000001));
    assert_int_equal(peer.sin_port, htons(4000));
    assert_int_equal(recv(fd, text, sizeof(text), 0), 5);
    assert_memory_equal(text, "GET /", 5);
    close(fd);
    assert_int_equal(expect_close(CLOSE_BOTH)->consumed_bytes, 5);
    close_listener(listener);
}

static void a_rejected_claim_asks_for_a_new_place(void **state)
{
    int listener = open_listener(4);

    (void)state;
    expect_ask(listener);
    make_available(7, 3, "");
    assert_int_equal(accept(listener, NULL, NULL), -1);
    reject(7, 3, expect_claim(7, 3));
    fake_expect_no_message(own_cm);
    expect_ask(listener); /* only now: before, nobody wanted to accept */
    close_listener(listener);
}

/* What it cannot take it declines, for others; with room again, it wants more. */
static void connections_beyond_the_backlog_are_declined_and_a_place_is_asked_for_again(void **state)
{
    int listener = open_listener(2);

    (void)state;
    expect_ask(listener);
    make_available(1, 1, "");
    make_available(2, 1, "");
    make_available(3, 1, "");
    expect_decline(3, 1);
    assert_int_equal(accept(listener, NULL, NULL), -1);
    uint32_t first = expect_claim(1, 1);
    uint32_t second = expect_claim(2, 1);
    fake_expect_no_message(TS);
    fake_expect_no_message(own_cm); /* there is no room yet */
    reject(1, 1, first);
    expect_ask(listener);
    confirm(2, 1, second, "");
    close(accept(listener, NULL, NULL));
    (void)fake_expect_message(TS, CLOSE);
    close_listener(listener);
}

static void connections_not_yet_accepted_are_reset_with_their_listener(void **state)
{
    int listener = open_listener(4);

    (void)state;
    expect_ask(listener);
    make_available(1, 1, "");
    make_available(2, 1, "");
    assert_int_equal(accept(listener, NULL, NULL), -1);
    uint32_t first = expect_claim(1, 1);
    uint32_t second = expect_claim(2, 1);
    confirm(1, 1, first, "");
    close_listener(listener);
    const struct close *reset = fake_expect_message(TS, CLOSE);
    assert_int_equal(reset->connection_index, 1);
    assert_int_equal(reset->kind, CLOSE_ABORT);
    confirm(2, 1, second, "too late");
    reset = fake_expect_message(TS, CLOSE);
    assert_int_equal(reset->connection_index, 2);
    assert_int_equal(reset->kind, CLOSE_ABORT);
}

static int accepted_fd;

static void accept_in_thread(void *argument)
{
    accepted_fd = accept(*(int *)argument, NULL, NULL);
}

static void a_blocked_accept_claims_at_once(void **state)
{
    int listener = open_listener(4);

    (void)state;
    accepted_fd = 0;
    assert_int_equal(fcntl(listener, F_SETFL, 0), 0);
    assert_non_null(thread_create("accept", accept_in_thread, &listener));
    dispatch_round();
    (void)fake_expect_message(own_cm, ACCEPT_CONNECTION);
    make_available(7, 3, "");
    uint32_t stream_index = expect_claim(7, 3);
    assert_int_equal(accepted_fd, 0);
    confirm(7, 3, stream_index, "");
    assert_true(accepted_fd > listener);
    close(accepted_fd);
    (void)expect_close(CLOSE_BOTH);
    close_listener(listener);
}

static void a_deferred_connection_waits_for_data_or_its_time(void **state)
{
    int seconds = 5;
    int listener = open_listener(4);

    (void)state;
    assert_int_equal(setsockopt(listener, IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds, sizeof(seconds)),
                     0);
    expect_ask(listener);
    make_available(1, 1, "");
    make_available(2, 1, "");
    assert_int_equal(accept(listener, NULL, NULL), -1);
    uint32_t first = expect_claim(1, 1);
    uint32_t second = expect_claim(2, 1);
    confirm(1, 1, first, "");
    confirm(2, 1, second, "");
    assert_int_equal(accept(listener, NULL, NULL), -1);
    deliver_data(second, 1, "x", 1);
    int fd = accept(listener, NULL, NULL);
    assert_true(fd > 0);
    close(fd);
    assert_int_equal(((const struct close *)fake_expect_message(TS, CLOSE))->connection_index, 2);
    assert_int_equal(accept(listener, NULL, NULL), -1);
    fake_advance_ns(5 * NS_PER_S);
    dispatch_round();
    fd = accept(listener, NULL, NULL);
    assert_true(fd > 0);
    close(fd);
    assert_int_equal(((const struct close *)fake_expect_message(TS, CLOSE))->connection_index, 1);
    close_listener(listener);
}

#define TEST(name) SOCKET_TEST(name)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_port_is_served_by_one_listener_only),
        TEST(of_two_with_a_port_one_may_listen),
        TEST(unbound_and_foreign_sockets_are_refused),
        TEST(descriptors_get_the_lowest_free_number),
        TEST(the_lowest_number_is_free_again_at_once),
        TEST(accept_asks_once_claims_what_is_available_and_returns_what_was_confirmed),
        TEST(a_rejected_claim_asks_for_a_new_place),
        TEST(connections_beyond_the_backlog_are_declined_and_a_place_is_asked_for_again),
        TEST(connections_not_yet_accepted_are_reset_with_their_listener),
        TEST(a_blocked_accept_claims_at_once),
        TEST(a_deferred_connection_waits_for_data_or_its_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
