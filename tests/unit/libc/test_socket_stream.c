/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/socket_world.c tests/unit/world/application_world.c */
/* flags: -D_GNU_SOURCE -include tests/unit/world/rename_sockets.h */
/*
 * Tests the sockets of libc/: the byte stream of a connection.
 */
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "kernel/message/dispatch.h"
#include "kernel/message/status.h"
#include "kernel/thread/thread.h"
#include "tests/unit/world/fake_platform.h"
#include "tests/unit/world/socket_world.h"

static void received_bytes_are_read_in_order_and_reported_with_the_next_send(void **state)
{
    struct pair pair = open_connection("ab");
    char text[8];

    (void)state;
    deliver_data(pair.stream_index, pair.generation, "cde", 3);
    assert_int_equal(recv(pair.fd, text, 4, MSG_PEEK), 4);
    assert_memory_equal(text, "abcd", 4);
    assert_int_equal(recv(pair.fd, text, 4, 0), 4);
    assert_memory_equal(text, "abcd", 4);
    assert_int_equal(read(pair.fd, text, 4), 1);
    assert_int_equal(text[0], 'e');
    assert_int_equal(recv(pair.fd, text, 4, 0), -1);
    assert_int_equal(errno, EAGAIN);
    fake_expect_no_message(TS);

    assert_int_equal(send(pair.fd, "hello", 5, MSG_NOSIGNAL), 5);
    const struct send *sent = fake_expect_message(TS, SEND);
    assert_int_equal(sent->connection_index, 7);
    assert_int_equal(sent->generation, 3);
    assert_int_equal(sent->consumed_bytes, 5);
    assert_int_equal(sent->header.length_bytes, sizeof(*sent) + 5);
    assert_memory_equal(sent + 1, "hello", 5);
    assert_int_equal(write(pair.fd, "!", 1), 1);
    assert_int_equal(((const struct send *)fake_expect_message(TS, SEND))->consumed_bytes, 0);
    close_pair(pair);
}

/* POSIX lets it return less than MSG_WAITALL asks for; it returned the same bytes over and over. */
static void a_peek_for_more_than_there_is_returns_what_there_is(void **state)
{
    struct pair pair = open_connection("");
    char text[8];

    (void)state;
    assert_int_equal(fcntl(pair.fd, F_SETFL, 0), 0);
    deliver_data(pair.stream_index, pair.generation, "abc", 3);
    assert_int_equal(recv(pair.fd, text, sizeof(text), MSG_PEEK | MSG_WAITALL), 3);
    assert_memory_equal(text, "abc", 3);
    assert_int_equal(recv(pair.fd, text, sizeof(text), 0), 3);
    close_pair(pair);
}

static void much_that_was_read_is_reported_alone(void **state)
{
    struct pair pair = open_connection("");
    uint8_t bytes[3000] = {0};
    unsigned reported = 0;

    (void)state;
    for (unsigned i = 0; i < 20; i++) {
        const struct message *message;
        deliver_data(pair.stream_index, pair.generation, bytes, sizeof(bytes));
        assert_int_equal(recv(pair.fd, bytes, sizeof(bytes), 0), sizeof(bytes));
        while ((message = fake_take_message(TS)) != NULL) {
            assert_int_equal(message->header.type, CONSUMED);
            reported += ((const struct consumed *)message)->consumed_bytes;
        }
    }
    assert_true(reported >= 20 * sizeof(bytes) - 16 * KIB && reported <= 20 * sizeof(bytes));
    close(pair.fd);
    reported += expect_close(CLOSE_BOTH)->consumed_bytes;
    assert_int_equal(reported, 20 * sizeof(bytes));
    close_listener(pair.listener);
}

static void send_stops_at_the_credit_and_epoll_tells_when_there_is_room(void **state)
{
    static uint8_t bytes[WINDOW + 1];
    struct pair pair = open_connection("");
    struct epoll_event event = {.events = EPOLLOUT | EPOLLET};
    int epoll = epoll_create1(0);
    size_t sent = 0;
    const struct message *message;

    (void)state;
    assert_int_equal(epoll_ctl(epoll, EPOLL_CTL_ADD, pair.fd, &event), 0);
    assert_int_equal(epoll_wait(epoll, &event, 1, 0), 1);
    assert_int_equal(event.events, EPOLLOUT);
    assert_int_equal(epoll_wait(epoll, &event, 1, 0), 0);

    assert_int_equal(send(pair.fd, bytes, sizeof(bytes), 0), WINDOW);
    assert_int_equal(send(pair.fd, bytes, 1, 0), -1);
    assert_int_equal(errno, EAGAIN);
    while ((message = fake_take_message(TS)) != NULL) {
        assert_int_equal(message->header.type, SEND);
        sent += message->header.length_bytes - sizeof(struct send);
    }
    assert_int_equal(sent, WINDOW);

    /* A little room is not worth a turn of the program; half the window is. */
    give_credit(pair.stream_index, pair.generation, WINDOW / 2 - 1);
    assert_int_equal(epoll_wait(epoll, &event, 1, 0), 0);
    give_credit(pair.stream_index, pair.generation, 1);
    assert_int_equal(epoll_wait(epoll, &event, 1, 0), 1);
    assert_int_equal(event.events, EPOLLOUT);
    assert_int_equal(send(pair.fd, bytes, sizeof(bytes), 0), WINDOW / 2);
    close(epoll);
    close_pair(pair);
}

static void credit_that_cannot_be_is_refused(void **state)
{
    struct pair pair = open_connection("");

    (void)state;
    /* Nothing has been sent: not a byte can have been acknowledged. */
    give_credit(pair.stream_index, pair.generation, 1);
    assert_int_equal(counter_read(NODE, COUNTER_DROP_BAD_MESSAGE), 1);
    give_credit(pair.stream_index, pair.generation, UINT32_MAX);
    assert_int_equal(counter_read(NODE, COUNTER_DROP_BAD_MESSAGE), 2);
    assert_int_equal(send(pair.fd, (char[100]){0}, 100, 0), 100);
    (void)fake_expect_message(TS, SEND);
    give_credit(pair.stream_index, pair.generation, 101);
    assert_int_equal(counter_read(NODE, COUNTER_DROP_BAD_MESSAGE), 3);
    give_credit(pair.stream_index, pair.generation, 100);
    assert_int_equal(counter_read(NODE, COUNTER_DROP_BAD_MESSAGE), 3);
    /* What was refused has changed nothing: the window is as it was. */
    static char bytes[WINDOW + 1];
    assert_int_equal(send(pair.fd, bytes, sizeof(bytes), MSG_DONTWAIT), WINDOW);
    while (fake_take_message(TS) != NULL) {
    }
    close_pair(pair);
}

static void bytes_of_the_archive_are_sent_by_reference(void **state)
{
    static uint8_t archive[4096], *end = archive + 2048;
    struct pair pair = open_connection("");

    (void)state;
    memset(archive, 'a', sizeof(archive));
    fake_set_archive(archive, (size_t)(end - archive));
    assert_int_equal(send(pair.fd, archive + 100, 1900, 0), 1900);
    const struct send *reference = fake_expect_message(TS, SEND);
    assert_int_equal(reference->archive_offset, 100);
    assert_int_equal(reference->archive_bytes, 1900);
    /* Few bytes are cheaper to copy. */
    assert_int_equal(send(pair.fd, archive + 100, 20, 0), 20);
    assert_memory_equal((const struct send *)fake_expect_message(TS, SEND) + 1, archive + 100, 20);
    /* It ends outside: it is not the archive's. */
    assert_int_equal(send(pair.fd, end - 1, 1024, 0), 1024);
    (void)fake_expect_message(TS, SEND);
    close_pair(pair);
}

static void the_end_comes_after_what_was_sent_before_it(void **state)
{
    struct pair pair = open_connection("x");
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP};
    int epoll = epoll_create1(0);
    char text[4];

    (void)state;
    close_by_peer(pair.stream_index, pair.generation);
    assert_int_equal(epoll_ctl(epoll, EPOLL_CTL_ADD, pair.fd, &event), 0);
    assert_int_equal(epoll_wait(epoll, &event, 1, 0), 1);
    assert_int_equal(event.events, EPOLLIN | EPOLLRDHUP);
    assert_int_equal(recv(pair.fd, text, sizeof(text), 0), 1);
    assert_int_equal(recv(pair.fd, text, sizeof(text), 0), 0);
    assert_int_equal(recv(pair.fd, text, sizeof(text), 0), 0);
    assert_int_equal(send(pair.fd, "y", 1, 0), 1); /* our side is still open */
    close(epoll);
    close_pair(pair);
}

static void a_failed_connection_tells_its_error_once_and_needs_no_close_message(void **state)
{
    struct pair pair = open_connection("x");
    char text[4];
    int error;
    socklen_t bytes = sizeof(error);

    (void)state;
    fail_connection(pair.stream_index, pair.generation, ETIMEDOUT);
    assert_int_equal(recv(pair.fd, text, sizeof(text), 0), 1);
    assert_int_equal(recv(pair.fd, text, sizeof(text), 0), -1);
    assert_int_equal(errno, ETIMEDOUT);
    assert_int_equal(recv(pair.fd, text, sizeof(text), 0), 0);
    assert_int_equal(send(pair.fd, "y", 1, 0), -1);
    assert_int_equal(errno, EPIPE);
    assert_int_equal(getsockopt(pair.fd, SOL_SOCKET, SO_ERROR, &error, &bytes), 0);
    assert_int_equal(error, 0);
    close(pair.fd);
    fake_expect_no_message(TS);
    close_listener(pair.listener);
}

static ssize_t sent_in_thread;

static void send_in_thread(void *argument)
{
    static uint8_t bytes[WINDOW + 1];

    sent_in_thread = send(*(int *)argument, bytes, sizeof(bytes), 0);
}

/* The error was taken by the call that had sent something, and returned that. */
static void an_error_after_a_part_was_sent_is_told_by_the_next_call(void **state)
{
    struct pair pair = open_connection("");

    (void)state;
    assert_int_equal(fcntl(pair.fd, F_SETFL, 0), 0);
    sent_in_thread = 0;
    assert_non_null(thread_create("send", send_in_thread, &pair.fd));
    dispatch_round();
    assert_int_equal(sent_in_thread, 0);
    fail_connection(pair.stream_index, pair.generation, ETIMEDOUT);
    assert_int_equal(sent_in_thread, WINDOW);
    assert_int_equal(send(pair.fd, "y", 1, 0), -1);
    assert_int_equal(errno, ETIMEDOUT);
    assert_int_equal(send(pair.fd, "y", 1, 0), -1);
    assert_int_equal(errno, EPIPE);
    close(pair.fd);
    while (fake_take_message(TS) != NULL) {
    }
    close_listener(pair.listener);
}

static void kill_transport_server(void)
{
    fake_set_node_state(TS, NODE_DEAD);
}

static void sockets_of_a_dead_transport_server_are_reset(void **state)
{
    struct pair pair = open_connection("");
    struct pollfd poll_fd = {.fd = pair.fd, .events = POLLIN};
    char text[4];

    (void)state;
    make_available(8, 1, ""); /* not yet accepted: it vanishes */
    fake_on_sleep(kill_transport_server);
    dispatch_sleep();
    assert_int_equal(poll(&poll_fd, 1, 0), 1);
    assert_true((poll_fd.revents & (POLLIN | POLLERR | POLLHUP)) == (POLLIN | POLLERR | POLLHUP));
    assert_int_equal(recv(pair.fd, text, sizeof(text), 0), -1);
    assert_int_equal(errno, ECONNRESET);
    close(pair.fd);
    assert_int_equal(accept(pair.listener, NULL, NULL), -1);
    assert_int_equal(errno, EAGAIN);
    close(pair.listener);
}

/* Its place in the table is used again at once; its name is not. */
static void what_comes_late_for_a_closed_socket_reaches_no_other(void **state)
{
    struct pair pair = open_connection("");
    char text[4];

    (void)state;
    close(pair.fd);
    (void)expect_close(CLOSE_BOTH);
    make_available(9, pair.generation, "");
    assert_int_equal(accept(pair.listener, NULL, NULL), -1);
    uint32_t successor = expect_claim(9, pair.generation);
    assert_int_not_equal(successor, pair.stream_index);
    confirm(9, pair.generation, successor, "");
    int fd = accept4(pair.listener, NULL, NULL, SOCK_NONBLOCK);
    assert_int_equal(fd, pair.fd);
    deliver_data(pair.stream_index, pair.generation, "old", 3);
    close_by_peer(pair.stream_index, pair.generation);
    assert_int_equal(recv(fd, text, sizeof(text), 0), -1);
    assert_int_equal(errno, EAGAIN);
    deliver_data(0xFFFF, pair.generation, "bad", 3);
    assert_int_equal(counter_read(NODE, COUNTER_DROP_BAD_MESSAGE), 1);
    close_pair(pair);
}

static void shutdown_and_close_say_which_kind_of_close_they_mean(void **state)
{
    struct pair pair = open_connection("");
    struct linger linger = {.l_onoff = 1};

    (void)state;
    assert_int_equal(shutdown(pair.fd, SHUT_WR), 0);
    (void)expect_close(CLOSE_SEND_ONLY);
    assert_int_equal(send(pair.fd, "x", 1, 0), -1);
    assert_int_equal(errno, EPIPE);
    assert_int_equal(shutdown(pair.fd, SHUT_WR), 0);
    fake_expect_no_message(TS);
    assert_int_equal(setsockopt(pair.fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
    close(pair.fd);
    (void)expect_close(CLOSE_ABORT);
    close_listener(pair.listener);
}

static void options_that_mean_nothing_here_are_refused(void **state)
{
    struct pair pair = open_connection("");
    int value = 1;

    (void)state;
    assert_int_equal(setsockopt(pair.fd, IPPROTO_TCP, TCP_NODELAY, &value, sizeof(value)), 0);
    assert_int_equal(setsockopt(pair.fd, SOL_SOCKET, SO_RCVBUF, &value, sizeof(value)), -1);
    assert_int_equal(errno, ENOPROTOOPT);
    assert_int_equal(setsockopt(1000, SOL_SOCKET, SO_RCVBUF, &value, sizeof(value)), -1);
    assert_int_equal(errno, EBADF);
    close_pair(pair);
}

/* --- Full channels --- */

static void a_full_channel_is_waited_for(void **state)
{
    static uint8_t bytes[4096];
    struct pair pair = open_connection("");
    struct epoll_event event = {.events = EPOLLOUT | EPOLLET};
    int epoll = epoll_create1(0);
    ssize_t sent;

    (void)state;
    assert_int_equal(epoll_ctl(epoll, EPOLL_CTL_ADD, pair.fd, &event), 0);
    assert_int_equal(epoll_wait(epoll, &event, 1, 0), 1);
    for (unsigned i = 0; i < 1000; i++) {
        give_credit(pair.stream_index, pair.generation, sizeof(bytes));
        sent = send(pair.fd, bytes, sizeof(bytes), 0);
        if (sent < (ssize_t)sizeof(bytes)) {
            break;
        }
    }
    assert_true(sent < (ssize_t)sizeof(bytes)); /* the ring is full, not the credit used up */
    dispatch_round();
    assert_int_equal(epoll_wait(epoll, &event, 1, 0), 0);
    while (fake_take_message(TS) != NULL) {
    }
    dispatch_round();
    assert_int_equal(epoll_wait(epoll, &event, 1, 0), 1);
    assert_int_equal(send(pair.fd, bytes, 100, 0), 100);
    close(epoll);
    close_pair(pair);
}

/* The sum wrapped; as on Linux, nothing is moved. */
static void pieces_that_nothing_can_count_are_refused(void **state)
{
    static char bytes[4];
    struct iovec pieces[IOV_MAX + 1];
    struct iovec huge[] = {{bytes, 4}, {bytes, SIZE_MAX / 2}};
    struct pair pair = open_connection("abcd");

    (void)state;
    for (unsigned i = 0; i <= IOV_MAX; i++) {
        pieces[i] = (struct iovec){bytes, 0};
    }
    struct msghdr message = {.msg_iov = huge, .msg_iovlen = 2};
    assert_int_equal(readv(pair.fd, huge, 2), -1);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(writev(pair.fd, huge, 2), -1);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(recvmsg(pair.fd, &message, 0), -1);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(sendmsg(pair.fd, &message, 0), -1);
    assert_int_equal(errno, EINVAL);

    message = (struct msghdr){.msg_iov = pieces, .msg_iovlen = IOV_MAX + 1};
    assert_int_equal(writev(pair.fd, pieces, IOV_MAX + 1), -1);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(sendmsg(pair.fd, &message, 0), -1);
    assert_int_equal(errno, EMSGSIZE);
    assert_int_equal(writev(pair.fd, pieces, IOV_MAX), 0);
    fake_expect_no_message(TS);
    assert_int_equal(readv(pair.fd, huge, 1), 4);
    assert_memory_equal(bytes, "abcd", 4);
    close_pair(pair);
}

/* Its peer is reset, and the program is told why. */
static void data_without_memory_for_it_ends_the_connection(void **state)
{
    struct pair pair = open_connection("");
    char text[4];

    (void)state;
    fake_fail_allocations_after(0);
    deliver_data(pair.stream_index, pair.generation, "w", 1);
    fake_expect_no_message(TS); /* there is a spare for what need not have been kept */
    deliver_data(pair.stream_index, pair.generation, "x", 1);
    fake_fail_allocations_after(-1);
    (void)expect_close(CLOSE_ABORT);
    assert_int_equal(recv(pair.fd, text, sizeof(text), 0), 1);
    assert_int_equal(text[0], 'w');
    assert_int_equal(recv(pair.fd, text, sizeof(text), 0), -1);
    assert_int_equal(errno, ENOBUFS);
    assert_int_equal(recv(pair.fd, text, sizeof(text), 0), 0);
    close(pair.fd);
    fake_expect_no_message(TS);
    close_listener(pair.listener);
}

#define TEST(name) SOCKET_TEST(name)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(received_bytes_are_read_in_order_and_reported_with_the_next_send),
        TEST(a_peek_for_more_than_there_is_returns_what_there_is),
        TEST(much_that_was_read_is_reported_alone),
        TEST(send_stops_at_the_credit_and_epoll_tells_when_there_is_room),
        TEST(credit_that_cannot_be_is_refused),
        TEST(bytes_of_the_archive_are_sent_by_reference),
        TEST(the_end_comes_after_what_was_sent_before_it),
        TEST(a_failed_connection_tells_its_error_once_and_needs_no_close_message),
        TEST(an_error_after_a_part_was_sent_is_told_by_the_next_call),
        TEST(sockets_of_a_dead_transport_server_are_reset),
        TEST(what_comes_late_for_a_closed_socket_reaches_no_other),
        TEST(shutdown_and_close_say_which_kind_of_close_they_mean),
        TEST(options_that_mean_nothing_here_are_refused),
        TEST(a_full_channel_is_waited_for),
        TEST(pieces_that_nothing_can_count_are_refused),
        TEST(data_without_memory_for_it_ends_the_connection),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
