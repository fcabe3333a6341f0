/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/socket_world.c tests/unit/world/application_world.c */
/* flags: -D_GNU_SOURCE -include tests/unit/world/rename_sockets.h */
/*
 * Tests the sockets of libc/: poll(), select() and epoll.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kernel/message/dispatch.h"
#include "kernel/platform.h"
#include "kernel/thread/thread.h"
#include "tests/unit/world/fake_platform.h"
#include "tests/unit/world/socket_world.h"

static int wait_result;

static void poll_in_thread(void *argument)
{
    struct pollfd poll_fd = {.fd = *(int *)argument, .events = POLLIN};

    wait_result = poll(&poll_fd, 1, 1000) * 100 + poll_fd.revents;
}

static void poll_returns_at_data_or_at_its_time(void **state)
{
    struct pair pair = open_connection("");
    char text[4];

    (void)state;
    wait_result = -1;
    assert_non_null(thread_create("poll", poll_in_thread, &pair.fd));
    dispatch_round();
    assert_int_equal(wait_result, -1);
    deliver_data(pair.stream_index, pair.generation, "x", 1);
    assert_int_equal(wait_result, 100 + POLLIN);
    assert_int_equal(recv(pair.fd, text, 4, 0), 1);

    wait_result = -1;
    assert_non_null(thread_create("poll", poll_in_thread, &pair.fd));
    dispatch_round();
    fake_advance_ns(1001 * NS_PER_MS);
    dispatch_round();
    dispatch_round();
    assert_int_equal(wait_result, 0);
    close_pair(pair);
}

static void a_closed_descriptor_ends_a_wait_for_it(void **state)
{
    struct pair pair = open_connection("");

    (void)state;
    wait_result = -1;
    assert_non_null(thread_create("poll", poll_in_thread, &pair.fd));
    dispatch_round();
    close(pair.fd);
    dispatch_round();
    assert_int_equal(wait_result, 100 + POLLNVAL);
    (void)expect_close(CLOSE_BOTH);
    close_listener(pair.listener);
}

static char received[4];

static void receive_in_thread(void *argument)
{
    ssize_t bytes = recv(*(int *)argument, received, sizeof(received), 0);

    wait_result = bytes < 0 ? -errno : (int)bytes;
}

/* The next connection gets the closed one's number, and may get its memory. */
static void a_blocked_recv_does_not_go_on_with_the_next_connection_of_that_number(void **state)
{
    struct pair pair = open_connection("");
    int fd = pair.fd;

    (void)state;
    make_available(8, pair.generation, "");
    assert_int_equal(accept(pair.listener, NULL, NULL), -1);
    confirm(8, pair.generation, expect_claim(8, pair.generation), "not yours");
    assert_int_equal(fcntl(fd, F_SETFL, 0), 0);
    wait_result = 0;
    assert_non_null(thread_create("recv", receive_in_thread, &fd));
    dispatch_round();
    close(fd);
    (void)expect_close(CLOSE_BOTH);
    pair.fd = accept4(pair.listener, NULL, NULL, SOCK_NONBLOCK);
    assert_int_equal(pair.fd, fd);
    dispatch_round();
    assert_int_equal(wait_result, -EBADF);
    close_pair(pair);
}

static void select_keeps_only_what_is_ready(void **state)
{
    struct pair pair = open_connection("");
    struct timeval now = {0};
    fd_set readable, writable;

    (void)state;
    FD_ZERO(&readable);
    FD_ZERO(&writable);
    FD_SET(pair.fd, &readable);
    FD_SET(pair.fd, &writable);
    assert_int_equal(select(pair.fd + 1, &readable, &writable, NULL, &now), 1);
    assert_false(FD_ISSET(pair.fd, &readable));
    assert_true(FD_ISSET(pair.fd, &writable));
    FD_SET(500, &readable);
    assert_int_equal(select(501, &readable, NULL, NULL, &now), -1);
    assert_int_equal(errno, EBADF);
    close_pair(pair);
}

static void select_refuses_times_that_are_none_and_takes_very_long_ones(void **state)
{
    struct pair pair = open_connection("x");
    struct timeval times[] = {{-1, 0}, {0, -1}, {0, 1000000}};
    struct timeval for_ever = {INT64_MAX, 999999};
    fd_set readable;

    (void)state;
    FD_ZERO(&readable);
    FD_SET(pair.fd, &readable);
    for (size_t i = 0; i < ARRAY_COUNT(times); i++) {
        assert_int_equal(select(pair.fd + 1, &readable, NULL, NULL, &times[i]), -1);
        assert_int_equal(errno, EINVAL);
    }
    assert_int_equal(select(pair.fd + 1, &readable, NULL, NULL, &for_ever), 1);
    close_pair(pair);
}

static void epoll_repeats_a_level_and_tells_an_edge_once(void **state)
{
    struct pair pair = open_connection("x");
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = 42};
    int epoll = epoll_create1(0);

    (void)state;
    assert_int_equal(epoll_ctl(epoll, EPOLL_CTL_ADD, pair.fd, &event), 0);
    assert_int_equal(epoll_ctl(epoll, EPOLL_CTL_ADD, pair.fd, &event), -1);
    assert_int_equal(errno, EEXIST);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(epoll_wait(epoll, &event, 1, 0), 1);
        assert_int_equal(event.data.u64, 42);
    }
    event.events = EPOLLIN | EPOLLET;
    assert_int_equal(epoll_ctl(epoll, EPOLL_CTL_MOD, pair.fd, &event), 0);
    assert_int_equal(epoll_wait(epoll, &event, 1, 0), 1);
    assert_int_equal(epoll_wait(epoll, &event, 1, 0), 0);
    deliver_data(pair.stream_index, pair.generation, "y", 1);
    assert_int_equal(epoll_wait(epoll, &event, 1, 0), 1);
    assert_int_equal(epoll_ctl(epoll, EPOLL_CTL_DEL, pair.fd, NULL), 0);
    deliver_data(pair.stream_index, pair.generation, "z", 1);
    assert_int_equal(epoll_wait(epoll, &event, 1, 0), 0);
    close(epoll);
    close_pair(pair);
}

static void epoll_wait_on_a_listener_asks_and_claims(void **state)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLET};
    int listener = open_listener(4);
    int epoll = epoll_create1(0);

    (void)state;
    assert_int_equal(epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event), 0);
    fake_expect_no_message(own_cm);
    assert_int_equal(epoll_wait(epoll, &event, 1, 0), 0);
    (void)fake_expect_message(own_cm, ACCEPT_CONNECTION);
    make_available(7, 3, "");
    fake_expect_no_message(TS);
    assert_int_equal(epoll_wait(epoll, &event, 1, 0), 0);
    uint32_t stream_index = expect_claim(7, 3);
    confirm(7, 3, stream_index, "");
    assert_int_equal(epoll_wait(epoll, &event, 1, 0), 1);
    close(accept(listener, NULL, NULL));
    (void)expect_close(CLOSE_BOTH);
    close(epoll);
    close_listener(listener);
}

#define TEST(name) SOCKET_TEST(name)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(poll_returns_at_data_or_at_its_time),
        TEST(a_closed_descriptor_ends_a_wait_for_it),
        TEST(a_blocked_recv_does_not_go_on_with_the_next_connection_of_that_number),
        TEST(select_keeps_only_what_is_ready),
        TEST(select_refuses_times_that_are_none_and_takes_very_long_ones),
        TEST(epoll_repeats_a_level_and_tells_an_edge_once),
        TEST(epoll_wait_on_a_listener_asks_and_claims),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
