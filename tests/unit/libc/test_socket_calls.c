/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/socket_world.c tests/unit/world/application_world.c */
/* flags: -D_GNU_SOURCE -include tests/unit/world/rename_sockets.h -Wno-stringop-overflow */
/*
 * Tests the sockets of libc/: what each call refuses, names and options.
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

/* --- socket(), bind(), listen() --- */

static void a_socket_is_made_for_tcp_over_ipv4_only(void **state)
{
    (void)state;
    assert_fails(socket(AF_UNIX, SOCK_STREAM, 0), EAFNOSUPPORT);
    assert_fails(socket(AF_INET, SOCK_STREAM, IPPROTO_UDP), EPROTONOSUPPORT);
    assert_fails(socket(AF_INET, SOCK_RAW, IPPROTO_TCP), EPROTONOSUPPORT);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);

    assert_int_equal(fd, DESCRIPTOR_FIRST);
    assert_int_equal(fcntl(fd, F_GETFL), O_RDWR);
    assert_int_equal(close(fd), 0);
    fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_int_equal(fcntl(fd, F_GETFL), O_RDWR | O_NONBLOCK);
    assert_int_equal(close(fd), 0);
}

static void a_socket_without_memory_takes_no_number(void **state)
{
    int fds[64];

    (void)state;
    /* Objects are kept for reuse: take all there are, and grow the table as far as they need. */
    for (size_t i = 0; i < ARRAY_COUNT(fds); i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM, 0);
        assert_true(fds[i] >= 0);
    }
    fake_fail_allocations_after(0);
    for (unsigned i = 0; i < 3; i++) {
        assert_fails(socket(AF_INET, SOCK_STREAM, 0), ENOMEM);
        assert_fails(epoll_create1(0), ENOMEM);
    }
    /* One that was closed lends its memory to the next, and its number. */
    assert_int_equal(close(fds[40]), 0);
    assert_int_equal(socket(AF_INET, SOCK_STREAM, 0), fds[40]);
    fake_fail_allocations_after(-1);
    int next = socket(AF_INET, SOCK_STREAM, 0);

    assert_int_equal(next, fds[ARRAY_COUNT(fds) - 1] + 1);
    assert_int_equal(close(next), 0);
    for (size_t i = 0; i < ARRAY_COUNT(fds); i++) {
        assert_int_equal(close(fds[i]), 0);
    }
}

/* 0, 1 and 2 are the log's; beyond the last there is EMFILE, and what was made is let go. */
static void numbers_end_at_the_limit_and_come_back(void **state)
{
    static int fds[DESCRIPTOR_MAX];
    size_t count = 0;
    int fd;

    (void)state;
    while ((fd = socket(AF_INET, SOCK_STREAM, 0)) >= 0) {
        assert_int_equal(fd, (int)count + DESCRIPTOR_FIRST);
        fds[count++] = fd;
    }
    assert_int_equal(errno, EMFILE);
    assert_int_equal(count, descriptor_limit() - DESCRIPTOR_FIRST);
    assert_fails(socket(AF_INET, SOCK_STREAM, 0), EMFILE);
    assert_fails(epoll_create1(0), EMFILE);
    assert_int_equal(close(fds[count - 1]), 0);
    assert_int_equal(close(fds[4097]), 0);
    assert_int_equal(socket(AF_INET, SOCK_STREAM, 0), fds[4097]);
    assert_int_equal(socket(AF_INET, SOCK_STREAM, 0), fds[count - 1]);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(close(fds[i]), 0);
    }
    assert_fails(close(DESCRIPTOR_FIRST), EBADF);
    assert_fails(close(-1), EBADF);
    assert_fails(close((int)descriptor_limit()), EBADF);
}

static void bind_takes_a_port_once_and_nothing_else(void **state)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(8080), .sin_addr.s_addr = htonl(0x0A000002)};
    struct sockaddr_in name = {0};
    socklen_t bytes = sizeof(name);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    (void)state;
    assert_fails(bind(1000, (struct sockaddr *)&address, sizeof(address)), EBADF);
    assert_fails(bind(fd, (struct sockaddr *)&address, sizeof(address) - 1), EINVAL);
    address.sin_family = AF_UNIX;
    assert_fails(bind(fd, (struct sockaddr *)&address, sizeof(address)), EAFNOSUPPORT);
    address.sin_family = AF_INET;
    assert_int_equal(getsockname(fd, (struct sockaddr *)&name, &bytes), 0);
    assert_int_equal(name.sin_port, 0);
    assert_int_equal(name.sin_addr.s_addr, 0);

    address.sin_port = htons(8080);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_fails(bind(fd, (struct sockaddr *)&address, sizeof(address)), EINVAL);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&name, &bytes), 0);
    assert_int_equal(name.sin_family, AF_INET);
    assert_int_equal(name.sin_port, htons(8080));
    assert_int_equal(name.sin_addr.s_addr, htonl(0x0A000002));
    assert_fails(getpeername(fd, (struct sockaddr *)&name, &bytes), ENOTCONN);
    assert_fails(getsockname(1000, (struct sockaddr *)&name, &bytes), EBADF);
    assert_int_equal(close(fd), 0);
}

static uint32_t backlog_told(void)
{
    uint32_t backlog = 0;

    for (unsigned i = 0; i < configuration.cm_count; i++) {
        const struct listen *told = fake_expect_message(configuration.cm[i], LISTEN);

        backlog = told->backlog;
    }
    return backlog;
}

static void backlogs_are_brought_between_one_and_the_most(void **state)
{
    static const struct {
        int asked;
        uint32_t told;
    } cases[] = {
        {-1, 1}, {0, 1}, {1, 1}, {2, 2}, {SOMAXCONN, SOMAXCONN}, {SOMAXCONN + 1, SOMAXCONN}};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(PORT)};

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);

        assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
        assert_int_equal(listen(fd, cases[i].asked), 0);
        assert_int_equal(backlog_told(), cases[i].told);
        close_listener(fd);
    }
}

/* It may take more connections from then on, or fewer; the CMs are not told again. */
static void a_second_listen_changes_the_backlog(void **state)
{
    int listener = open_listener(1);

    (void)state;
    expect_ask(listener);
    make_available(1, 1, "");
    make_available(2, 1, "");
    (void)fake_expect_message(TS, DECLINE_CONNECTION); /* there is room for one */
    assert_fails(accept(listener, NULL, NULL), EAGAIN);
    uint32_t first = expect_claim(1, 1);

    assert_int_equal(listen(listener, 2), 0);
    expect_listen(2);
    make_available(3, 1, "");
    assert_fails(accept(listener, NULL, NULL), EAGAIN);
    uint32_t second =
        ((const struct claim_connection *)fake_expect_message(TS, CLAIM_CONNECTION))->stream_index;

    assert_int_not_equal(first, second);
    close_listener(listener);
}

/* --- accept() --- */

static void accept_refuses_what_cannot_be_accepted_from(void **state)
{
    struct pair pair = open_connection("");

    (void)state;
    assert_fails(accept(1000, NULL, NULL), EBADF);
    assert_fails(accept(pair.fd, NULL, NULL), EINVAL);
    assert_fails(accept4(pair.listener, NULL, NULL, 1), EINVAL);
    assert_fails(listen(pair.fd, 1), EINVAL);
    assert_fails(bind(pair.fd, NULL, 0), EINVAL);
    close_pair(pair);
}

static int accept_one(int listener, uint32_t index, int flags)
{
    int fd;

    make_available(index, 1, "");
    assert_fails(accept(listener, NULL, NULL), EAGAIN);
    confirm(index, 1, expect_claim(index, 1), "");
    fd = accept4(listener, NULL, NULL, flags);
    assert_true(fd > listener);
    return fd;
}

/* As it is asked of accept4(), whatever the listener is. */
static void an_accepted_socket_blocks_unless_it_is_asked_not_to(void **state)
{
    int listener = open_listener(4);
    uint64_t accepted = counter_read(NODE, COUNTER_SOCKETS_ACCEPTED);

    (void)state;
    expect_ask(listener);
    int blocking = accept_one(listener, 1, 0);
    int other = accept_one(listener, 2, SOCK_NONBLOCK | SOCK_CLOEXEC);

    assert_int_equal(fcntl(blocking, F_GETFL), O_RDWR);
    assert_int_equal(fcntl(other, F_GETFL), O_RDWR | O_NONBLOCK);
    assert_int_equal(counter_read(NODE, COUNTER_SOCKETS_ACCEPTED), accepted + 2);
    assert_int_equal(close(blocking), 0);
    assert_int_equal(((const struct close *)fake_expect_message(TS, CLOSE))->connection_index, 1);
    assert_int_equal(close(other), 0);
    assert_int_equal(((const struct close *)fake_expect_message(TS, CLOSE))->connection_index, 2);
    close_listener(listener);
}

/* The connection stays with its listener, for a call that finds a number or memory. */
static void a_connection_that_finds_no_room_can_be_accepted_later(void **state)
{
    static const int errors[] = {ENOMEM, EMFILE};
    static int fds[DESCRIPTOR_MAX];

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(errors); i++) {
        int listener = open_listener(4);
        size_t count = 0;

        expect_ask(listener);
        make_available(1, 1, "x");
        assert_fails(accept(listener, NULL, NULL), EAGAIN);
        confirm(1, 1, expect_claim(1, 1), "");
        fake_fail_allocations_after(errors[i] == ENOMEM ? 0 : -1);
        while ((fds[count] = socket(AF_INET, SOCK_STREAM, 0)) >= 0) {
            count++;
        }
        assert_int_equal(errno, errors[i]);
        assert_fails(accept(listener, NULL, NULL), errors[i]);
        assert_fails(accept(listener, NULL, NULL), errors[i]);
        /* Objects of closed sockets are used again, so there is room for one now. */
        assert_true(count > 0);
        assert_int_equal(close(fds[--count]), 0);
        assert_int_equal(accept(listener, NULL, NULL), fds[count]);
        fake_fail_allocations_after(-1);
        assert_int_equal(close(fds[count]), 0);
        (void)fake_expect_message(TS, CLOSE);
        while (count > 0) {
            assert_int_equal(close(fds[--count]), 0);
        }
        close_listener(listener);
    }
}

/* --- Names --- */

static void names_are_those_of_the_flow_cut_to_their_room(void **state)
{
    struct pair pair = open_connection("");
    struct sockaddr_in name;
    socklen_t bytes = sizeof(name);
    uint8_t cut[sizeof(name)];

    (void)state;
    assert_int_equal(getsockname(pair.fd, (struct sockaddr *)&name, &bytes), 0);
    assert_int_equal(bytes, sizeof(name));
    assert_int_equal(name.sin_addr.s_addr, htonl(0x0A000002));
    assert_int_equal(name.sin_port, htons(PORT));
    assert_int_equal(getpeername(pair.fd, (struct sockaddr *)&name, &bytes), 0);
    assert_int_equal(name.sin_addr.s_addr, htonl(0x0A000001));
    assert_int_equal(name.sin_port, htons(4000));
    memset(cut, 0xEE, sizeof(cut));
    bytes = 4;
    assert_int_equal(getpeername(pair.fd, (struct sockaddr *)cut, &bytes), 0);
    assert_int_equal(bytes, sizeof(name));
    assert_memory_equal(cut, &name, 4);
    for (size_t i = 4; i < sizeof(cut); i++) {
        assert_int_equal(cut[i], 0xEE);
    }
    assert_int_equal(getsockname(pair.listener, (struct sockaddr *)&name, &bytes), 0);
    assert_int_equal(name.sin_port, htons(PORT));
    assert_int_equal(name.sin_addr.s_addr, 0);
    close_pair(pair);
}

/* --- Options --- */

static int option_of(int fd, int level, int option)
{
    int value = -1;
    socklen_t bytes = sizeof(value);

    assert_int_equal(getsockopt(fd, level, option, &value, &bytes), 0);
    assert_int_equal(bytes, sizeof(value));
    return value;
}

static void options_tell_what_is_true_here(void **state)
{
    struct pair pair = open_connection("");
    int unconnected = socket(AF_INET, SOCK_STREAM, 0);
    uint8_t cut[4] = {0xEE, 0xEE, 0xEE, 0xEE};
    socklen_t bytes = 1;

    (void)state;
    assert_int_equal(option_of(pair.fd, IPPROTO_TCP, TCP_NODELAY), 1);
    assert_int_equal(option_of(pair.fd, SOL_SOCKET, SO_TYPE), SOCK_STREAM);
    assert_int_equal(option_of(pair.fd, SOL_SOCKET, SO_REUSEADDR), 1);
    assert_int_equal(option_of(pair.fd, SOL_SOCKET, SO_REUSEPORT), 1);
    assert_int_equal(option_of(pair.fd, SOL_SOCKET, SO_ACCEPTCONN), 0);
    assert_int_equal(option_of(pair.listener, SOL_SOCKET, SO_ACCEPTCONN), 1);
    assert_int_equal(option_of(unconnected, SOL_SOCKET, SO_ERROR), 0);
    assert_int_equal(option_of(pair.fd, SOL_SOCKET, SO_ERROR), 0);
    fail_connection(pair.stream_index, pair.generation, ETIMEDOUT);
    assert_int_equal(option_of(pair.fd, SOL_SOCKET, SO_ERROR), ETIMEDOUT);
    assert_int_equal(option_of(pair.fd, SOL_SOCKET, SO_ERROR), 0); /* told once */
    assert_int_equal(getsockopt(pair.fd, SOL_SOCKET, SO_TYPE, cut, &bytes), 0);
    assert_int_equal(bytes, 1);
    assert_int_equal(cut[0], SOCK_STREAM);
    assert_int_equal(cut[1], 0xEE);
    assert_int_equal(option_of(pair.fd, SOL_SOCKET, SO_RCVBUF), 511 << 7);
    assert_int_equal(option_of(pair.fd, SOL_SOCKET, SO_SNDBUF), SEND_WINDOW_MAX_BYTES);
    assert_int_equal(option_of(pair.fd, SOL_SOCKET, SO_DOMAIN), AF_INET);
    assert_int_equal(option_of(pair.fd, SOL_SOCKET, SO_PROTOCOL), IPPROTO_TCP);
    assert_int_equal(option_of(pair.fd, SOL_SOCKET, SO_BROADCAST), 0);
    assert_fails(getsockopt(pair.fd, SOL_SOCKET, SO_KEEPALIVE, cut, &bytes), ENOPROTOOPT);
    assert_fails(getsockopt(pair.fd, IPPROTO_TCP, TCP_MAXSEG, cut, &bytes), ENOPROTOOPT);
    assert_fails(getsockopt(pair.fd, IPPROTO_IP, SO_TYPE, cut, &bytes), ENOPROTOOPT);
    assert_fails(getsockopt(1000, SOL_SOCKET, SO_TYPE, cut, &bytes), EBADF);
    close(unconnected);
    close(pair.fd);
    fake_expect_no_message(TS); /* it has failed: no close is owed */
    close_listener(pair.listener);
}

static void options_are_set_where_they_mean_something(void **state)
{
    struct pair pair = open_connection("");
    struct linger linger = {.l_onoff = 1, .l_linger = 1};
    int on = 1, off = 0;

    (void)state;
    assert_int_equal(setsockopt(pair.fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
    assert_int_equal(setsockopt(pair.fd, SOL_SOCKET, SO_REUSEPORT, &off, sizeof(off)), 0);
    assert_fails(setsockopt(pair.fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on) - 1), EINVAL);
    assert_fails(setsockopt(pair.fd, IPPROTO_TCP, SO_REUSEADDR, &on, sizeof(on)), ENOPROTOOPT);
    assert_fails(setsockopt(pair.fd, IPPROTO_TCP, TCP_NODELAY, &off, sizeof(off)), ENOPROTOOPT);
    assert_fails(setsockopt(pair.fd, SOL_SOCKET, TCP_NODELAY, &off, sizeof(off)), ENOPROTOOPT);
    assert_fails(setsockopt(pair.fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &on, sizeof(on)), ENOPROTOOPT);
    assert_fails(setsockopt(pair.listener, SOL_SOCKET, TCP_DEFER_ACCEPT, &on, sizeof(on)),
                 ENOPROTOOPT);
    assert_fails(setsockopt(pair.listener, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)),
                 ENOPROTOOPT);
    assert_fails(setsockopt(pair.fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger) - 1), EINVAL);

    /* Only a linger of no time is a reset: with another, and when it is off, it is a close. */
    assert_int_equal(setsockopt(pair.fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
    close(pair.fd);
    (void)expect_close(CLOSE_BOTH);
    close_listener(pair.listener);
    pair = open_connection("");
    linger = (struct linger){.l_onoff = 1, .l_linger = 0};
    assert_int_equal(setsockopt(pair.fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
    linger.l_onoff = 0;
    assert_int_equal(setsockopt(pair.fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
    close(pair.fd);
    (void)expect_close(CLOSE_BOTH);
    close_listener(pair.listener);
}

/* It may be asked for before listen(); one second is as good as many, and 0 ends it. */
static void deferring_may_be_asked_for_at_any_time(void **state)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    int seconds = 1;

    (void)state;
    assert_int_equal(setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds, sizeof(seconds)), 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 4), 0);
    expect_listen(4);
    expect_ask(fd);
    make_available(1, 1, "");
    assert_fails(accept(fd, NULL, NULL), EAGAIN);
    confirm(1, 1, expect_claim(1, 1), "");
    assert_fails(accept(fd, NULL, NULL), EAGAIN); /* it is held back */
    fake_advance_ns(NS_PER_S);
    dispatch_round();
    int accepted = accept(fd, NULL, NULL);

    assert_true(accepted >= 0);
    close(accepted);
    (void)fake_expect_message(TS, CLOSE);
    seconds = 0;
    assert_int_equal(setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds, sizeof(seconds)), 0);
    accepted = accept_one(fd, 2, 0); /* at once */
    close(accepted);
    (void)fake_expect_message(TS, CLOSE);
    close_listener(fd);
}

#define TEST(name) cmocka_unit_test_setup(name, start_sockets)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_socket_is_made_for_tcp_over_ipv4_only),
        TEST(a_socket_without_memory_takes_no_number),
        TEST(a_connection_that_finds_no_room_can_be_accepted_later),
        TEST(numbers_end_at_the_limit_and_come_back),
        TEST(bind_takes_a_port_once_and_nothing_else),
        TEST(backlogs_are_brought_between_one_and_the_most),
        TEST(a_second_listen_changes_the_backlog),
        TEST(accept_refuses_what_cannot_be_accepted_from),
        TEST(an_accepted_socket_blocks_unless_it_is_asked_not_to),
        TEST(names_are_those_of_the_flow_cut_to_their_room),
        TEST(options_tell_what_is_true_here),
        TEST(options_are_set_where_they_mean_something),
        TEST(deferring_may_be_asked_for_at_any_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
