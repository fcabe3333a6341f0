/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/socket_world.c tests/unit/world/application_world.c */
/* flags: -D_GNU_SOURCE -include tests/unit/world/rename_sockets.h -Wno-stringop-overflow */
/*
 * Tests the sockets of libc/: the other forms of recv() and send(), shutdown(), and what a call
 * that blocks waits for.
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
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "kernel/message/dispatch.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "kernel/thread/thread.h"
#include "libc/posix/descriptor.h"
#include "net/counters.h"
#include "tests/unit/world/fake_platform.h"
#include "tests/unit/world/socket_world.h"

/* --- Other forms of recv() and send() --- */

static void pieces_are_sent_one_after_the_other(void **state)
{
    struct pair pair = open_connection("");
    char texts[3][4] = {"abc", "defg", "hi"};
    struct iovec pieces[] = {{texts[0], 3}, {texts[1], 4}, {NULL, 0}, {texts[2], 2}};
    struct msghdr message = {.msg_iov = pieces, .msg_iovlen = 4};
    char received[16];
    size_t length = 0;
    const struct message *told;

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        length = 0;
        assert_int_equal(i == 0 ? writev(pair.fd, pieces, 4) : sendmsg(pair.fd, &message, 0), 9);
        while ((told = fake_take_message(TS)) != NULL) {
            assert_int_equal(told->header.type, SEND);
            size_t bytes = told->header.length_bytes - sizeof(struct send);

            memcpy(received + length, (const struct send *)told + 1, bytes);
            length += bytes;
        }
        assert_int_equal(length, 9);
        assert_memory_equal(received, "abcdefghi", 9);
    }
    assert_int_equal(writev(pair.fd, pieces, 0), 0);
    assert_fails(writev(pair.fd, pieces, -1), EINVAL);
    assert_fails(writev(1000, pieces, 4), EBADF);
    assert_fails(sendmsg(1000, &message, 0), EBADF);
    close_pair(pair);
}

static void pieces_are_filled_one_after_the_other(void **state)
{
    struct pair pair = open_connection("abcdefghi");
    char texts[3][5] = {"....", "....", "...."};
    struct iovec pieces[] = {{texts[0], 3}, {texts[1], 4}, {texts[2], 4}};
    struct msghdr message = {
        .msg_iov = pieces, .msg_iovlen = 3, .msg_flags = 7, .msg_controllen = 7};

    (void)state;
    assert_int_equal(readv(pair.fd, pieces, 3), 9);
    assert_string_equal(texts[0], "abc.");
    assert_string_equal(texts[1], "defg");
    assert_string_equal(texts[2], "hi..");
    assert_fails(readv(pair.fd, pieces, 3), EAGAIN);
    assert_fails(readv(pair.fd, pieces, -1), EINVAL);

    deliver_data(pair.stream_index, pair.generation, "123456789", 9);
    assert_int_equal(recvmsg(pair.fd, &message, 0), 9);
    assert_string_equal(texts[0], "123.");
    assert_string_equal(texts[1], "4567");
    assert_string_equal(texts[2], "89..");
    assert_int_equal(message.msg_flags, 0);
    assert_int_equal(message.msg_controllen, 0);
    assert_fails(recvmsg(pair.fd, &message, 0), EAGAIN);
    /* As far as it goes: the end of what is there may be the end of a piece. */
    deliver_data(pair.stream_index, pair.generation, "123", 3);
    assert_int_equal(recvmsg(pair.fd, &message, 0), 3);
    deliver_data(pair.stream_index, pair.generation, "12", 2);
    assert_int_equal(readv(pair.fd, pieces, 3), 2);
    deliver_data(pair.stream_index, pair.generation, "123", 3);
    assert_int_equal(readv(pair.fd, pieces, 3), 3);
    message.msg_iovlen = 0;
    assert_int_equal(recvmsg(pair.fd, &message, 0), 0);
    close_pair(pair);
}

/* What has been sent counts; the error is told by the next call. */
static void pieces_end_where_the_credit_ends(void **state)
{
    static char bytes[WINDOW];
    struct pair pair = open_connection("");
    struct iovec pieces[] = {{bytes, WINDOW}, {bytes, 1}, {bytes, 1}};
    struct msghdr message = {.msg_iov = pieces, .msg_iovlen = 3};

    (void)state;
    assert_int_equal(sendmsg(pair.fd, &message, 0), WINDOW);
    assert_fails(sendmsg(pair.fd, &message, 0), EAGAIN);
    assert_fails(writev(pair.fd, pieces, 3), EAGAIN);
    while (fake_take_message(TS) != NULL) {
    }
    give_credit(pair.stream_index, pair.generation, WINDOW - 1);
    pieces[1].iov_len = WINDOW;
    pieces[0].iov_len = 1;
    assert_int_equal(sendmsg(pair.fd, &message, 0), WINDOW - 1);
    while (fake_take_message(TS) != NULL) {
    }
    close_pair(pair);
}

static void what_has_come_may_be_read_where_it_lies(void **state)
{
    struct pair pair = open_connection("abc");
    char buffer[8] = "", text[] = "lent";
    const void *data = NULL;

    (void)state;
    /* In another node's lines, which are copied. */
    assert_int_equal(recv_lent(pair.fd, buffer, sizeof(buffer), &data), 3);
    assert_ptr_equal(data, buffer);
    assert_memory_equal(buffer, "abc", 3);
    assert_fails(recv_lent(pair.fd, buffer, sizeof(buffer), &data), EAGAIN);
    assert_fails(recv_lent(1000, buffer, sizeof(buffer), &data), EBADF);
    /* More than is asked for. */
    deliver_data(pair.stream_index, pair.generation, text, 4);
    assert_int_equal(recv_lent(pair.fd, buffer, 2, &data), 2);
    assert_ptr_equal(data, buffer);
    assert_memory_equal(buffer, "le", 2);
    close_pair(pair);
}

/* MSG_EOF: once all of it has been sent, not before. */
static void the_end_goes_with_the_last_bytes(void **state)
{
    static char bytes[WINDOW + 1];
    struct pair pair = open_connection("");
    struct iovec pieces[] = {{bytes, WINDOW}, {bytes, 1}};
    struct msghdr message = {.msg_iov = pieces, .msg_iovlen = 2};
    const struct message *told;

    (void)state;
    assert_int_equal(sendmsg(pair.fd, &message, MSG_EOF), WINDOW);
    while ((told = fake_take_message(TS)) != NULL) {
        assert_int_equal(((const struct send *)(const void *)told)->close_kind, 0);
    }
    assert_fails(send(pair.fd, bytes, 1, MSG_EOF), EAGAIN);
    give_credit(pair.stream_index, pair.generation, 1);
    assert_int_equal(send(pair.fd, bytes, 1, MSG_EOF), 1);
    assert_int_equal(((const struct send *)fake_expect_message(TS, SEND))->close_kind,
                     CLOSE_SEND_ONLY);
    assert_fails(send(pair.fd, bytes, 1, MSG_NOSIGNAL), EPIPE);
    assert_int_equal(shutdown(pair.fd, SHUT_WR), 0);
    fake_expect_no_message(TS);
    close_pair(pair);
}

/* MSG_CLOSE: the descriptor is closed with the last bytes, and one message says all of it. */
static void the_last_bytes_close_the_socket(void **state)
{
    static char bytes[WINDOW + 1];
    struct pair pair = open_connection("request");
    const struct send *told;

    (void)state;
    assert_int_equal(recv(pair.fd, bytes, sizeof(bytes), 0), 7);
    assert_int_equal(send(pair.fd, bytes, WINDOW + 1, MSG_CLOSE), WINDOW);
    while ((told = (const void *)fake_take_message(TS)) != NULL) {
        assert_int_equal(told->close_kind, CLOSE_NOT);
    }
    assert_fails(send(pair.fd, bytes, 1, MSG_CLOSE), EAGAIN);
    assert_int_equal(fcntl(pair.fd, F_GETFD), 0);
    give_credit(pair.stream_index, pair.generation, 1);
    assert_int_equal(send(pair.fd, bytes, 1, MSG_CLOSE), 1);
    assert_int_equal(((const struct send *)fake_expect_message(TS, SEND))->close_kind, CLOSE_BOTH);
    assert_fails(fcntl(pair.fd, F_GETFD), EBADF);
    assert_fails(send(pair.fd, bytes, 1, MSG_CLOSE), EBADF);
    fake_expect_no_message(TS);
    assert_int_equal(close(pair.listener), 0);
}

static void a_close_that_resets_does_so_behind_the_last_bytes(void **state)
{
    const struct linger at_once = {.l_onoff = 1};
    struct pair pair = open_connection("");

    (void)state;
    assert_int_equal(setsockopt(pair.fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
    assert_int_equal(send(pair.fd, "x", 1, MSG_CLOSE), 1);
    assert_int_equal(((const struct send *)fake_expect_message(TS, SEND))->close_kind,
                     CLOSE_SEND_ONLY);
    (void)expect_close(CLOSE_ABORT);
    assert_fails(fcntl(pair.fd, F_GETFD), EBADF);
    assert_int_equal(close(pair.listener), 0);
}

static void recvfrom_names_the_peer_and_sendto_takes_none(void **state)
{
    struct pair pair = open_connection("abc");
    struct sockaddr_in name = {0};
    socklen_t bytes = sizeof(name);
    char text[4];

    (void)state;
    assert_int_equal(recvfrom(pair.fd, text, 2, 0, (struct sockaddr *)&name, &bytes), 2);
    assert_memory_equal(text, "ab", 2);
    assert_int_equal(name.sin_port, htons(4000));
    assert_int_equal(recvfrom(pair.fd, text, 4, 0, NULL, NULL), 1);
    assert_fails(recvfrom(pair.listener, text, 4, 0, (struct sockaddr *)&name, &bytes), ENOTCONN);
    assert_fails(sendto(pair.fd, "x", 1, 0, (struct sockaddr *)&name, sizeof(name)), EISCONN);
    assert_int_equal(sendto(pair.fd, "x", 1, 0, NULL, 0), 1);
    assert_fails(recv(pair.fd, text, 1, MSG_OOB), EINVAL);
    assert_fails(send(pair.fd, "x", 1, MSG_OOB), EOPNOTSUPP);
    assert_fails(recv(1000, text, 1, 0), EBADF);
    assert_fails(send(1000, text, 1, 0), EBADF);
    assert_fails(send(pair.listener, text, 1, 0), ENOTCONN);
    assert_fails(read(pair.listener, text, 1), ENOTCONN);
    assert_fails(write(pair.listener, text, 1), ENOTCONN);
    close_pair(pair);
}

/* The standard streams are the log's; nobody types into them. */
static void numbers_without_a_descriptor_are_the_logs_or_nobodys(void **state)
{
    char text[4];

    (void)state;
    assert_int_equal(read(STDIN_FILENO, text, 4), 0);
    assert_fails(read(STDOUT_FILENO, text, 4), EBADF);
    assert_int_equal(write(STDOUT_FILENO, "text", 4), 4);
    assert_fails(write(1000, "text", 4), EBADF);
    assert_fails(fcntl(1000, F_GETFL), EBADF);
    int epoll = epoll_create1(0);

    assert_fails(read(epoll, text, 4), EINVAL);
    assert_fails(write(epoll, text, 4), EBADF);
    assert_fails(recv(epoll, text, 4, 0), ENOTSOCK);
    assert_fails(setsockopt(epoll, SOL_SOCKET, SO_TYPE, text, 4), ENOTSOCK);
    assert_int_equal(fcntl(epoll, F_GETFD), 0);
    assert_int_equal(fcntl(epoll, F_SETFD, FD_CLOEXEC), 0);
    assert_fails(fcntl(epoll, F_DUPFD, 0), EINVAL);
    assert_int_equal(fcntl(epoll, F_SETFL, O_NONBLOCK), 0);
    assert_int_equal(fcntl(epoll, F_GETFL), O_RDWR | O_NONBLOCK);
    assert_int_equal(fcntl(epoll, F_SETFL, 0), 0);
    assert_int_equal(fcntl(epoll, F_GETFL), O_RDWR);
    close(epoll);
}

/* --- shutdown() --- */

static void shutdown_ends_the_side_that_it_names(void **state)
{
    struct pair pair = open_connection("ab");
    char text[4];

    (void)state;
    assert_fails(shutdown(pair.listener, SHUT_RD), ENOTCONN);
    assert_fails(shutdown(1000, SHUT_RD), EBADF);
    assert_fails(shutdown(pair.fd, 3), EINVAL);
    assert_fails(shutdown(pair.fd, -1), EINVAL);
    assert_int_equal(shutdown(pair.fd, SHUT_RD), 0);
    fake_expect_no_message(TS); /* the peer is not told */
    assert_int_equal(recv(pair.fd, text, 4, 0), 2);
    assert_int_equal(recv(pair.fd, text, 4, 0), 0);
    assert_int_equal(send(pair.fd, "x", 1, 0), 1);
    (void)fake_expect_message(TS, SEND);
    assert_int_equal(shutdown(pair.fd, SHUT_RDWR), 0);
    (void)expect_close(CLOSE_SEND_ONLY);
    assert_fails(send(pair.fd, "x", 1, 0), EPIPE);
    close_pair(pair);
}

static ssize_t call_result_in_thread;
static bool has_returned;
static char thread_text[8];

static void receive_in_thread(void *argument)
{
    call_result_in_thread = recv(*(int *)argument, thread_text, 4, MSG_WAITALL);
    has_returned = true;
}

static void start_receiving(int *fd)
{
    has_returned = false;
    memset(thread_text, '.', sizeof(thread_text));
    assert_int_equal(fcntl(*fd, F_SETFL, 0), 0);
    assert_non_null(thread_create("recv", receive_in_thread, fd));
    dispatch_round();
    assert_false(has_returned);
}

static void shutdown_ends_a_call_that_waits(void **state)
{
    struct pair pair = open_connection("");

    (void)state;
    start_receiving(&pair.fd);
    assert_int_equal(shutdown(pair.fd, SHUT_RD), 0);
    dispatch_round();
    assert_true(has_returned);
    assert_int_equal(call_result_in_thread, 0);
    close_pair(pair);
}

/* All that was asked for, however it comes; less only at the end. */
static void waiting_for_all_goes_on_until_all_has_come_or_the_end(void **state)
{
    struct pair pair = open_connection("");

    (void)state;
    start_receiving(&pair.fd);
    deliver_data(pair.stream_index, pair.generation, "a", 1);
    assert_false(has_returned);
    deliver_data(pair.stream_index, pair.generation, "bc", 2);
    assert_false(has_returned);
    deliver_data(pair.stream_index, pair.generation, "de", 2);
    assert_true(has_returned);
    assert_int_equal(call_result_in_thread, 4);
    assert_memory_equal(thread_text, "abcd....", 8);

    start_receiving(&pair.fd);
    close_by_peer(pair.stream_index, pair.generation);
    assert_true(has_returned);
    assert_int_equal(call_result_in_thread, 1);
    assert_memory_equal(thread_text, "e.......", 8);
    close_pair(pair);
}

/* A call that must not wait returns what there is, or says that there is nothing. */
static void waiting_for_all_without_waiting_returns_what_there_is(void **state)
{
    struct pair pair = open_connection("ab");
    char text[8];

    (void)state;
    assert_int_equal(fcntl(pair.fd, F_SETFL, 0), 0);
    assert_int_equal(recv(pair.fd, text, 8, MSG_WAITALL | MSG_DONTWAIT), 2);
    assert_fails(recv(pair.fd, text, 8, MSG_WAITALL | MSG_DONTWAIT), EAGAIN);
    assert_fails(recv(pair.fd, text, 8, MSG_DONTWAIT), EAGAIN);
    close_pair(pair);
}

static const char *sent_text;

static void send_in_thread(void *argument)
{
    call_result_in_thread = send(*(int *)argument, sent_text, WINDOW + 100, 0);
    has_returned = true;
}

/* The rest leaves when there is credit again, and not before: in the order of its bytes. */
static void a_send_beyond_the_credit_goes_on_where_it_stopped(void **state)
{
    static char text[WINDOW + 100];
    struct pair pair = open_connection("");
    const struct message *message;
    size_t sent = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(text); i++) {
        text[i] = (char)(i % 251);
    }
    sent_text = text;
    has_returned = false;
    assert_int_equal(fcntl(pair.fd, F_SETFL, 0), 0);
    assert_non_null(thread_create("send", send_in_thread, &pair.fd));
    dispatch_round();
    assert_false(has_returned);
    for (unsigned i = 0; i < 2; i++) {
        while ((message = fake_take_message(TS)) != NULL) {
            assert_int_equal(message->header.type, SEND);
            size_t bytes = message->header.length_bytes - sizeof(struct send);

            assert_memory_equal((const struct send *)message + 1, text + sent, bytes);
            sent += bytes;
        }
        if (i == 0) {
            assert_int_equal(sent, WINDOW);
            give_credit(pair.stream_index, pair.generation, WINDOW);
        }
    }
    assert_int_equal(sent, sizeof(text));
    assert_true(has_returned);
    assert_int_equal(call_result_in_thread, sizeof(text));
    close_pair(pair);
}

/* --- Readiness --- */

static short readiness(int fd)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN | POLLOUT};

    (void)poll(&poll_fd, 1, 0);
    return poll_fd.revents;
}

static void readiness_follows_what_a_call_would_do(void **state)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    (void)state;
    assert_int_equal(readiness(fd), POLLHUP | POLLOUT); /* as on Linux */
    close(fd);
    struct pair pair = open_connection("");

    assert_int_equal(readiness(pair.fd), POLLOUT);
    deliver_data(pair.stream_index, pair.generation, "x", 1);
    assert_int_equal(readiness(pair.fd), POLLIN | POLLOUT);
    assert_int_equal(readiness(pair.listener), 0);
    close_pair(pair);
}

#define TEST(name) cmocka_unit_test_setup(name, start_sockets)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(pieces_are_sent_one_after_the_other),
        TEST(pieces_are_filled_one_after_the_other),
        TEST(pieces_end_where_the_credit_ends),
        TEST(what_has_come_may_be_read_where_it_lies),
        TEST(the_end_goes_with_the_last_bytes),
        TEST(the_last_bytes_close_the_socket),
        TEST(a_close_that_resets_does_so_behind_the_last_bytes),
        TEST(recvfrom_names_the_peer_and_sendto_takes_none),
        TEST(numbers_without_a_descriptor_are_the_logs_or_nobodys),
        TEST(shutdown_ends_the_side_that_it_names),
        TEST(shutdown_ends_a_call_that_waits),
        TEST(waiting_for_all_goes_on_until_all_has_come_or_the_end),
        TEST(waiting_for_all_without_waiting_returns_what_there_is),
        TEST(a_send_beyond_the_credit_goes_on_where_it_stopped),
        TEST(readiness_follows_what_a_call_would_do),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
