/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/socket_world.c tests/unit/world/application_world.c */
/* flags: -D_GNU_SOURCE -include tests/unit/world/rename_sockets.h */
/*
 * Tests the sockets of libc/ in threads: calls that wait, several at once, and calls that do not
 * wait but let the node run.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>

#include "kernel/message/dispatch.h"
#include "kernel/platform.h"
#include "kernel/thread/thread.h"
#include "tests/unit/world/fake_platform.h"
#include "tests/unit/world/socket_world.h"

/* One call in a thread of its own, and what it came to. */
struct call {
    struct pair *pair;
    int fd;
    int flags; /* of recv(); of epoll_wait() the time-out */
    size_t bytes;
    char buffer[64];
    struct epoll_event event;
    bool is_over;
    ssize_t result; /* or a negative errno */
};

static void end_call(struct call *call, ssize_t result)
{
    call->result = result < 0 ? -errno : result;
    call->is_over = true;
}

static void receive(void *argument)
{
    struct call *call = argument;

    end_call(call, recv(call->fd, call->buffer, call->bytes, call->flags));
}

static void receive_in_pieces(void *argument)
{
    struct call *call = argument;
    const struct iovec pieces[2] = {{call->buffer, call->bytes},
                                    {call->buffer + call->bytes, call->bytes}};

    end_call(call, readv(call->fd, pieces, 2));
}

static void send_much(void *argument)
{
    static const uint8_t bytes[3 * WINDOW];
    struct call *call = argument;

    end_call(call, send(call->fd, bytes, sizeof(bytes), 0));
}

static void wait_in_epoll(void *argument)
{
    struct call *call = argument;

    end_call(call, epoll_wait(call->fd, &call->event, 1, call->flags));
}

static void accept_one(void *argument)
{
    struct call *call = argument;

    end_call(call, accept(call->fd, NULL, NULL));
}

/* Nothing ready, for so many milliseconds. */
static void sleep_in_poll(void *argument)
{
    struct call *call = argument;

    end_call(call, poll(NULL, 0, call->flags));
}

/* Begin it; it must be waiting afterwards. */
static void begin(struct call *call, void (*function)(void *))
{
    call->is_over = false;
    assert_non_null(thread_create("call", function, call));
    dispatch_round();
    assert_false(call->is_over);
}

static struct pair open_blocking(void)
{
    struct pair pair = open_connection("");

    assert_int_equal(fcntl(pair.fd, F_SETFL, 0), 0);
    return pair;
}

static int watch(int fd, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.fd = fd};
    int epoll = epoll_create1(0);

    assert_true(epoll >= 3);
    assert_int_equal(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event), 0);
    return epoll;
}

/* What the servers were told so far is not what this test is about. */
static void forget_messages(void)
{
    for (unsigned node = 0; node < NODE; node++) {
        while (fake_take_message((node_id_t)node) != NULL) {
        }
    }
}

/* --- Calls that wait --- */

static void a_blocked_recv_ends_with_data_the_peers_end_or_a_failure(void **state)
{
    struct pair pair = open_blocking();
    struct call call = {.fd = pair.fd, .bytes = 8};

    (void)state;
    begin(&call, receive);
    deliver_data(pair.stream_index, pair.generation, "abc", 3);
    assert_true(call.is_over && call.result == 3 && memcmp(call.buffer, "abc", 3) == 0);
    begin(&call, receive);
    close_by_peer(pair.stream_index, pair.generation);
    assert_true(call.is_over && call.result == 0);
    close_pair(pair);

    pair = open_blocking();
    call.fd = pair.fd;
    begin(&call, receive);
    fail_connection(pair.stream_index, pair.generation, ECONNRESET);
    assert_true(call.is_over && call.result == -ECONNRESET);
    assert_int_equal(recv(pair.fd, call.buffer, 8, 0), 0); /* it was told */
    close(pair.fd);
    close_listener(pair.listener);
}

static void set_timeout(int fd, int option, long us)
{
    const struct timeval time = {.tv_sec = us / 1000000, .tv_usec = us % 1000000};
    struct timeval told = {-1, -1};
    socklen_t bytes = sizeof(told);

    assert_int_equal(setsockopt(fd, SOL_SOCKET, option, &time, sizeof(time)), 0);
    assert_int_equal(getsockopt(fd, SOL_SOCKET, option, &told, &bytes), 0);
    assert_int_equal(told.tv_sec * 1000000 + told.tv_usec, us);
    assert_int_equal(bytes, sizeof(told));
}

/* What the other way would wait is not asked. */
static void a_call_with_a_time_ends_with_it(void **state)
{
    const struct timeval wrong = {.tv_usec = 1000000};
    struct pair pair = open_blocking();
    struct call call = {.fd = pair.fd, .bytes = 8};

    (void)state;
    set_timeout(pair.fd, SO_SNDTIMEO, 3000);
    set_timeout(pair.fd, SO_RCVTIMEO, 2000000);
    begin(&call, receive);
    fake_advance_ns(2 * NS_PER_S - 1);
    dispatch_round();
    assert_false(call.is_over);
    fake_advance_ns(1);
    dispatch_round();
    assert_true(call.is_over && call.result == -EAGAIN);
    set_timeout(pair.fd, SO_RCVTIMEO, 0); /* for ever */
    begin(&call, receive);
    fake_advance_ns(3600 * NS_PER_S);
    dispatch_round();
    assert_false(call.is_over);
    deliver_data(pair.stream_index, pair.generation, "abc", 3);
    assert_true(call.is_over && call.result == 3);
    assert_fails(setsockopt(pair.fd, SOL_SOCKET, SO_RCVTIMEO, &wrong, sizeof(wrong)), EDOM);
    assert_fails(setsockopt(pair.fd, SOL_SOCKET, SO_RCVTIMEO, &wrong, 8), EINVAL);
    begin(&call, send_much); /* more than the window: the rest waits */
    fake_advance_ns(3 * NS_PER_MS);
    dispatch_round();
    assert_true(call.is_over && call.result == WINDOW);
    forget_messages();
    close(pair.fd);
    forget_messages();

    set_timeout(pair.listener, SO_RCVTIMEO, 1000);
    assert_int_equal(fcntl(pair.listener, F_SETFL, 0), 0);
    call.fd = pair.listener;
    begin(&call, accept_one);
    fake_advance_ns(NS_PER_MS);
    dispatch_round();
    assert_true(call.is_over && call.result == -EAGAIN);
    forget_messages();
    close(pair.listener);
    forget_messages();
}

/* It has something to tell once a piece has got anything. */
static void a_readv_does_not_wait_for_its_next_piece(void **state)
{
    struct pair pair = open_blocking();
    struct call call = {.fd = pair.fd, .bytes = 8};

    (void)state;
    begin(&call, receive_in_pieces);
    deliver_data(pair.stream_index, pair.generation, "abc", 3);
    assert_true(call.is_over && call.result == 3 && memcmp(call.buffer, "abc", 3) == 0);
    close_pair(pair);
}

static void waitall_waits_for_all_or_the_end(void **state)
{
    struct pair pair = open_blocking();
    struct call call = {.fd = pair.fd, .bytes = 6, .flags = MSG_WAITALL};

    (void)state;
    begin(&call, receive);
    deliver_data(pair.stream_index, pair.generation, "ab", 2);
    assert_false(call.is_over);
    deliver_data(pair.stream_index, pair.generation, "cdefgh", 6);
    assert_true(call.is_over && call.result == 6 && memcmp(call.buffer, "abcdef", 6) == 0);
    assert_int_equal(recv(pair.fd, call.buffer, 8, 0), 2);

    begin(&call, receive);
    deliver_data(pair.stream_index, pair.generation, "xyz", 3);
    assert_false(call.is_over);
    close_by_peer(pair.stream_index, pair.generation);
    assert_true(call.is_over && call.result == 3);
    close_pair(pair);

    /* What has come is returned; the next call says why no more did. */
    pair = open_blocking();
    call.fd = pair.fd;
    begin(&call, receive);
    deliver_data(pair.stream_index, pair.generation, "xyz", 3);
    fail_connection(pair.stream_index, pair.generation, ETIMEDOUT);
    assert_true(call.is_over && call.result == 3);
    assert_int_equal(recv(pair.fd, call.buffer, 8, 0), -1);
    assert_int_equal(errno, ETIMEDOUT);
    close(pair.fd);
    close_listener(pair.listener);
}

static void a_blocked_send_goes_on_with_each_credit(void **state)
{
    struct pair pair = open_blocking();
    struct call call = {.fd = pair.fd};
    size_t sent = 0;
    const struct message *message;

    (void)state;
    begin(&call, send_much);
    for (unsigned i = 0; i < 3; i++) {
        while ((message = fake_take_message(TS)) != NULL) {
            assert_int_equal(message->header.type, SEND);
            sent += message->header.length_bytes - sizeof(struct send);
        }
        if (i < 2) {
            assert_false(call.is_over);
            give_credit(pair.stream_index, pair.generation, WINDOW);
            dispatch_round();
        }
    }
    assert_int_equal(sent, 3 * WINDOW);
    assert_true(call.is_over && call.result == 3 * WINDOW);
    close_pair(pair);
}

static void a_blocked_epoll_wait_ends_with_an_event_its_time_or_its_close(void **state)
{
    struct pair pair = open_connection("");
    int epoll = watch(pair.fd, EPOLLIN | EPOLLRDHUP | EPOLLET);
    struct call call = {.fd = epoll, .flags = -1};

    (void)state;
    begin(&call, wait_in_epoll);
    deliver_data(pair.stream_index, pair.generation, "x", 1);
    assert_true(call.is_over && call.result == 1 && call.event.events == EPOLLIN);
    begin(&call, wait_in_epoll);
    close_by_peer(pair.stream_index, pair.generation);
    assert_true(call.is_over && call.result == 1 && call.event.events == (EPOLLIN | EPOLLRDHUP));

    call.flags = 10;
    begin(&call, wait_in_epoll);
    fake_advance_ns(9 * NS_PER_MS);
    dispatch_round();
    assert_false(call.is_over);
    fake_advance_ns(2 * NS_PER_MS);
    dispatch_round();
    assert_true(call.is_over && call.result == 0);

    call.flags = -1;
    begin(&call, wait_in_epoll);
    close(epoll);
    dispatch_round();
    assert_true(call.is_over && call.result == -EBADF);
    close_pair(pair);
}

/* --- Two of everything --- */

static void two_who_wait_for_one_connection_get_a_part_each(void **state)
{
    struct pair pair = open_blocking();
    struct call first = {.fd = pair.fd, .bytes = 2};
    struct call second = first;

    (void)state;
    begin(&first, receive);
    begin(&second, receive);
    deliver_data(pair.stream_index, pair.generation, "ab", 2);
    assert_true(first.is_over != second.is_over);
    deliver_data(pair.stream_index, pair.generation, "cd", 2);
    assert_true(first.is_over && second.is_over);
    assert_true(first.result == 2 && second.result == 2);
    assert_int_not_equal(first.buffer[0], second.buffer[0]);
    close_pair(pair);
}

static void two_sleepers_wake_at_their_own_times(void **state)
{
    struct call early = {.flags = 10};
    struct call late = {.flags = 20};

    (void)state;
    begin(&late, sleep_in_poll);
    begin(&early, sleep_in_poll);
    fake_advance_ns(10 * NS_PER_MS);
    dispatch_round();
    assert_true(early.is_over && !late.is_over);
    fake_advance_ns(10 * NS_PER_MS);
    dispatch_round();
    assert_true(late.is_over);
}

static void two_who_accept_get_a_connection_each(void **state)
{
    int listener = open_listener(4);
    struct call first = {.fd = listener};
    struct call second = first;

    (void)state;
    assert_int_equal(fcntl(listener, F_SETFL, 0), 0);
    begin(&first, accept_one);
    begin(&second, accept_one);
    expect_place_request();
    make_available(7, 3, "");
    confirm(7, 3, expect_claim(7, 3), "");
    assert_true(first.is_over != second.is_over);
    make_available(8, 3, "");
    confirm(8, 3, expect_claim(8, 3), "");
    assert_true(first.is_over && second.is_over);
    assert_int_not_equal(first.result, second.result);
    close((int)first.result);
    close((int)second.result);
    forget_messages();
    close_listener(listener);
}

/* The second of two events used to wake the first thread once more, and the second one never. */
static void two_who_wait_in_one_epoll_get_an_event_each(void **state)
{
    struct pair pair = open_connection("");
    int listener = pair.listener;
    int epoll = watch(pair.fd, EPOLLIN | EPOLLET);
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.fd = listener};
    struct call first = {.fd = epoll, .flags = -1};
    struct call second = first;

    (void)state;
    assert_int_equal(epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event), 0);
    begin(&first, wait_in_epoll);
    begin(&second, wait_in_epoll);
    make_available(8, 3, "");
    uint32_t stream_index = expect_claim(8, 3);
    assert_true(!first.is_over && !second.is_over);
    /* Both in one round: its threads run when both have come. */
    struct data data = {
        .header = {.type = DATA}, .stream_index = pair.stream_index, .generation = pair.generation};
    fake_deliver_payload(TS, &data.header, sizeof(data), "x", 1);
    confirm(8, 3, stream_index, "");
    dispatch_round();
    assert_true(first.is_over && second.is_over);
    assert_true(first.result == 1 && second.result == 1);
    assert_int_not_equal(first.event.data.fd, second.event.data.fd);
    close(accept(listener, NULL, NULL));
    (void)fake_expect_message(TS, CLOSE);
    close(epoll);
    close_pair(pair);
}

static void two_epolls_are_told_of_one_connection(void **state)
{
    struct pair pair = open_connection("");
    struct call first = {.fd = watch(pair.fd, EPOLLIN), .flags = -1};
    struct call second = {.fd = watch(pair.fd, EPOLLIN | EPOLLET), .flags = -1};

    (void)state;
    begin(&first, wait_in_epoll);
    begin(&second, wait_in_epoll);
    deliver_data(pair.stream_index, pair.generation, "x", 1);
    assert_true(first.is_over && first.result == 1);
    assert_true(second.is_over && second.result == 1);
    close(first.fd);
    deliver_data(pair.stream_index, pair.generation, "y", 1);
    assert_int_equal(epoll_wait(second.fd, &second.event, 1, 0), 1);
    close(second.fd);
    close_pair(pair);
}

static void two_listeners_in_one_epoll_are_told_apart(void **state)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(81)};
    int first = open_listener(4);
    int second = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    int epoll = watch(first, EPOLLIN);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = second};

    (void)state;
    assert_int_equal(bind(second, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(second, 4), 0);
    assert_int_equal(epoll_ctl(epoll, EPOLL_CTL_ADD, second, &event), 0);
    make_available(7, 3, ""); /* on PORT */
    forget_messages();
    assert_int_equal(epoll_wait(epoll, &event, 1, 0), 0);
    for (unsigned i = 0; i < 2; i++) {
        (void)fake_expect_message(own_cm, ACCEPT_CONNECTION);
    }
    confirm(7, 3, expect_claim(7, 3), "");
    assert_int_equal(epoll_wait(epoll, &event, 1, 0), 1);
    assert_int_equal(event.data.fd, first);
    assert_int_equal(accept(second, NULL, NULL), -1);
    assert_int_equal(errno, EAGAIN);
    close(accept(first, NULL, NULL));
    close(second);
    assert_int_equal(epoll_wait(epoll, &event, 1, 0), 0);
    close(epoll);
    close(first);
}

/* --- What epoll promises of its items --- */

static void a_one_shot_item_is_silent_until_it_is_set_anew(void **state)
{
    struct pair pair = open_connection("x");
    int epoll = watch(pair.fd, EPOLLIN | EPOLLONESHOT);
    struct epoll_event event;

    (void)state;
    assert_int_equal(epoll_wait(epoll, &event, 1, 0), 1);
    assert_int_equal(epoll_wait(epoll, &event, 1, 0), 0);
    deliver_data(pair.stream_index, pair.generation, "y", 1);
    close_by_peer(pair.stream_index, pair.generation);
    assert_int_equal(epoll_wait(epoll, &event, 1, 0), 0);

    event = (struct epoll_event){.events = EPOLLIN | EPOLLONESHOT, .data.fd = 9};
    assert_int_equal(epoll_ctl(epoll, EPOLL_CTL_MOD, pair.fd, &event), 0);
    assert_int_equal(epoll_wait(epoll, &event, 1, 0), 1);
    assert_int_equal(event.data.fd, 9);
    assert_int_equal(epoll_wait(epoll, &event, 1, 0), 0);
    /* A failure is told whether it was asked for or not, but not to one that is silent. */
    fail_connection(pair.stream_index, pair.generation, ECONNRESET);
    assert_int_equal(epoll_wait(epoll, &event, 1, 0), 0);
    close(epoll);
    close(pair.fd);
    close_listener(pair.listener);
}

static void an_item_that_asks_for_nothing_is_told_of_failures(void **state)
{
    struct pair pair = open_connection("x");
    int epoll = watch(pair.fd, 0);
    struct epoll_event event;

    (void)state;
    assert_int_equal(epoll_wait(epoll, &event, 1, 0), 0);
    fail_connection(pair.stream_index, pair.generation, ECONNRESET);
    assert_int_equal(epoll_wait(epoll, &event, 1, 0), 1);
    assert_int_equal(event.events, EPOLLERR | EPOLLHUP);
    close(epoll);
    close(pair.fd);
    close_listener(pair.listener);
}

#define TEST(name) SOCKET_TEST(name)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_blocked_recv_ends_with_data_the_peers_end_or_a_failure),
        TEST(a_call_with_a_time_ends_with_it),
        TEST(a_readv_does_not_wait_for_its_next_piece),
        TEST(waitall_waits_for_all_or_the_end),
        TEST(a_blocked_send_goes_on_with_each_credit),
        TEST(a_blocked_epoll_wait_ends_with_an_event_its_time_or_its_close),
        TEST(two_who_wait_for_one_connection_get_a_part_each),
        TEST(two_sleepers_wake_at_their_own_times),
        TEST(two_who_accept_get_a_connection_each),
        TEST(two_who_wait_in_one_epoll_get_an_event_each),
        TEST(two_epolls_are_told_of_one_connection),
        TEST(two_listeners_in_one_epoll_are_told_apart),
        TEST(a_one_shot_item_is_silent_until_it_is_set_anew),
        TEST(an_item_that_asks_for_nothing_is_told_of_failures),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
