/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/socket_world.c tests/unit/world/application_world.c */
/* flags: -D_GNU_SOURCE -include tests/unit/world/rename_sockets.h */
/*
 * Tests calls of libc/posix that do not wait but let the node run.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

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

/* A loop in a thread of its own, over one descriptor. */
struct call {
    int fd;
    char buffer[4];
    struct epoll_event event;
    bool is_over;
    unsigned result; /* how many calls it took */
};

static void end_call(struct call *call, unsigned result)
{
    call->result = result;
    call->is_over = true;
}

/* Begin it; it must not be over afterwards. */
static void begin(struct call *call, void (*function)(void *))
{
    call->is_over = false;
    assert_non_null(thread_create("call", function, call));
    dispatch_round();
    assert_false(call->is_over);
}

static int watch(int fd, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.fd = fd};
    int epoll = epoll_create1(0);

    assert_true(epoll >= 3);
    assert_int_equal(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event), 0);
    return epoll;
}

#define CALLS_MAX 100000 /* a loop that nobody ends gives up */

static bool is_nothing(ssize_t result)
{
    return result <= 0;
}

static ssize_t try_recv(struct call *call)
{
    return recv(call->fd, call->buffer, 1, 0);
}

static ssize_t try_recv_dont_wait(struct call *call)
{
    return recv(call->fd, call->buffer, 1, MSG_DONTWAIT);
}

static ssize_t try_read(struct call *call)
{
    return read(call->fd, call->buffer, 1);
}

static ssize_t try_poll(struct call *call)
{
    struct pollfd poll_fd = {.fd = call->fd, .events = POLLIN};

    return poll(&poll_fd, 1, 0);
}

static ssize_t try_select(struct call *call)
{
    struct timeval now = {0};
    fd_set readable;

    FD_ZERO(&readable);
    FD_SET(call->fd, &readable);
    return select(call->fd + 1, &readable, NULL, NULL, &now);
}

static ssize_t try_epoll(struct call *call)
{
    int epoll = watch(call->fd, EPOLLIN);
    int result = epoll_wait(epoll, &call->event, 1, 0);

    close(epoll);
    return result;
}

/* It is ready each time, but not for what is waited for. */
static ssize_t try_ready_poll(struct call *call)
{
    struct pollfd poll_fd = {.fd = call->fd, .events = POLLIN | POLLOUT};

    assert_int_equal(poll(&poll_fd, 1, -1), 1);
    return (poll_fd.revents & POLLIN) != 0;
}

static ssize_t try_ready_epoll(struct call *call)
{
    int epoll = watch(call->fd, EPOLLIN | EPOLLOUT);

    assert_int_equal(epoll_wait(epoll, &call->event, 1, -1), 1);
    close(epoll);
    return (call->event.events & EPOLLIN) != 0;
}

static ssize_t (*try)(struct call *call);

static void try_again_and_again(void *argument)
{
    struct call *call = argument;
    unsigned count = 1;

    while (is_nothing(try(call)) && count < CALLS_MAX) {
        count++;
    }
    end_call(call, count);
}

/* A program that asks again and again used to keep its node from ever getting the answer. */
static void a_loop_of_calls_that_do_not_wait_lets_the_node_run(void **state)
{
    static ssize_t (*const calls[])(struct call * call) = {
        try_recv,   try_recv_dont_wait, try_read,       try_poll,
        try_select, try_epoll,          try_ready_poll, try_ready_epoll,
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(calls); i++) {
        struct pair pair = open_connection("");
        struct call call = {.fd = pair.fd};

        try = calls[i];
        begin(&call, try_again_and_again);
        deliver_data(pair.stream_index, pair.generation, "x", 1);
        dispatch_round();
        dispatch_round();
        assert_true(call.is_over && call.result < 1000);
        close_pair(pair);
    }
}

static ssize_t try_accept(struct call *call)
{
    return accept(call->fd, NULL, NULL);
}

static ssize_t try_send(struct call *call)
{
    return send(call->fd, "x", 1, 0);
}

static void a_loop_of_accept_or_send_lets_the_node_run(void **state)
{
    struct pair pair = open_connection("");
    static const uint8_t bytes[WINDOW];
    struct call call = {.fd = pair.listener};

    (void)state;
    try = try_accept;
    begin(&call, try_again_and_again);
    make_available(8, 3, "");
    dispatch_round();
    confirm(8, 3, expect_claim(8, 3), "");
    dispatch_round();
    assert_true(call.is_over && call.result < 1000);

    assert_int_equal(send(pair.fd, bytes, sizeof(bytes), 0), sizeof(bytes));
    call.fd = pair.fd;
    try = try_send;
    begin(&call, try_again_and_again);
    give_credit(pair.stream_index, pair.generation, WINDOW);
    dispatch_round();
    assert_true(call.is_over && call.result < 1000);
    /* The accepted one has the next number. */
    close(pair.fd + 1);
    while (fake_take_message(TS) != NULL) {
    }
    close_pair(pair);
}

static void fail_a_few_times(void *argument)
{
    struct call *call = argument;

    for (unsigned i = 0; i < 20; i++) {
        assert_int_equal(recv(call->fd, call->buffer, 1, 0), -1);
    }
    end_call(call, 0);
}

/* A server reads each connection until there is nothing more, and waits in its epoll. */
static void a_few_calls_that_find_nothing_cost_no_round(void **state)
{
    struct pair pair = open_connection("");
    struct call call = {.fd = pair.fd};

    (void)state;
    fake_advance_ns(1);
    assert_non_null(thread_create("call", fail_a_few_times, &call));
    dispatch_round();
    assert_true(call.is_over);
    close_pair(pair);
}

#define TEST(name) SOCKET_TEST(name)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_loop_of_calls_that_do_not_wait_lets_the_node_run),
        TEST(a_loop_of_accept_or_send_lets_the_node_run),
        TEST(a_few_calls_that_find_nothing_cost_no_round),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
