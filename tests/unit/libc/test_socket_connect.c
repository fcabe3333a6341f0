/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/socket_world.c tests/unit/world/application_world.c */
/* flags: -D_GNU_SOURCE -include tests/unit/world/rename_sockets.h */
/*
 * Tests connect() and what a socket is until that has come to something, and after: as on Linux,
 * whose answers these are. The transport server is the test.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kernel/message/dispatch.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "kernel/thread/thread.h"
#include "tests/unit/world/fake_platform.h"
#include "tests/unit/world/socket_world.h"

#define PEER_ADDRESS 0x0A000009u /* 10.0.0.9 */
#define OWN_ADDRESS  0x0A000001u
#define PEER_PORT    8080
#define OWN_PORT     40000
#define INDEX        7u
#define GENERATION   3u

static const struct sockaddr_in peer = {
    .sin_family = AF_INET, .sin_port = 0x901F /* 8080 */, .sin_addr.s_addr = 0x0900000A};

static int connect_to_peer(int fd)
{
    return connect(fd, (const struct sockaddr *)&peer, sizeof(peer));
}

static int make_socket(int flags)
{
    int fd = socket(AF_INET, SOCK_STREAM | flags, 0);

    assert_true(fd >= 3);
    return fd;
}

/* Some TS is asked; which one depends on the node's place among the applications, or the port. */
static node_id_t asked;

static uint32_t expect_open(uint16_t local_port, bool is_withdrawn)
{
    const struct open_connection *open = NULL;

    for (node_id_t ts = 0; ts < 2 && open == NULL; ts++) {
        const struct message *message = fake_take_message(ts);

        if (message != NULL) {
            assert_int_equal(message->header.type, OPEN_CONNECTION);
            open = (const struct open_connection *)message;
            asked = ts;
        }
    }
    assert_non_null(open);
    assert_int_equal(open->remote_address, htonl(PEER_ADDRESS));
    assert_int_equal(open->remote_port, htons(PEER_PORT));
    assert_int_equal(open->local_port, htons(local_port));
    assert_int_equal(open->is_withdrawn, is_withdrawn);
    return open->stream_index;
}

static void answer(uint32_t stream_index, uint32_t error_number)
{
    struct connection_opened opened = {
        .header = {.type = CONNECTION_OPENED, .length_bytes = sizeof(opened)},
        .stream_index = stream_index,
        .error_number = error_number,
    };

    if (error_number == 0) {
        opened.connection_index = INDEX;
        opened.generation = GENERATION;
        opened.flow = (struct flow){htonl(PEER_ADDRESS), htonl(OWN_ADDRESS), htons(PEER_PORT),
                                    htons(OWN_PORT)};
        opened.send_window_bytes = WINDOW;
    }
    fake_deliver(asked, &opened.header);
    dispatch_round();
}

static unsigned events_of(int fd)
{
    struct pollfd pollfd = {.fd = fd, .events = POLLIN | POLLOUT | POLLRDHUP};

    assert_true(poll(&pollfd, 1, 0) >= 0);
    return (unsigned)pollfd.revents;
}

static int error_of(int fd)
{
    int error = -1;
    socklen_t bytes = sizeof(error);

    assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &bytes), 0);
    return error;
}

/* The close of the connection that was opened. */
static void expect_closed(enum close_kind kind)
{
    const struct close *message = (const struct close *)fake_expect_message(asked, CLOSE);

    assert_int_equal(message->connection_index, INDEX);
    assert_int_equal(message->generation, GENERATION);
    assert_int_equal(message->kind, kind);
}

/* --- Without waiting --- */

static void a_connection_that_is_begun_is_told_by_writability(void **state)
{
    int fd = make_socket(SOCK_NONBLOCK);
    struct sockaddr_in name;
    socklen_t bytes = sizeof(name);
    uint32_t stream_index;
    char byte;

    (void)state;
    assert_int_equal(events_of(fd), POLLOUT | POLLHUP); /* as Linux has it of a fresh one */
    assert_fails(connect_to_peer(fd), EINPROGRESS);
    stream_index = expect_open(0, false);
    assert_fails(connect_to_peer(fd), EALREADY);
    assert_int_equal(events_of(fd), 0);
    assert_int_equal(error_of(fd), 0);
    assert_fails(send(fd, "a", 1, 0), EAGAIN);
    assert_fails(recv(fd, &byte, 1, 0), EAGAIN);
    assert_fails(getpeername(fd, (struct sockaddr *)&name, &bytes), ENOTCONN);
    assert_fails(listen(fd, 1), EINVAL);
    assert_fails(bind(fd, (const struct sockaddr *)&peer, sizeof(peer)), EINVAL);

    answer(stream_index, 0);
    assert_int_equal(events_of(fd), POLLOUT);
    assert_int_equal(error_of(fd), 0);
    assert_fails(connect_to_peer(fd), EISCONN);
    assert_int_equal(getpeername(fd, (struct sockaddr *)&name, &bytes), 0);
    assert_int_equal(name.sin_addr.s_addr, htonl(PEER_ADDRESS));
    assert_int_equal(name.sin_port, htons(PEER_PORT));
    assert_int_equal(getsockname(fd, (struct sockaddr *)&name, &bytes), 0);
    assert_int_equal(name.sin_addr.s_addr, htonl(OWN_ADDRESS));
    assert_int_equal(name.sin_port, htons(OWN_PORT));

    assert_int_equal(send(fd, "hello", 5, 0), 5);
    assert_int_equal(((const struct send *)fake_expect_message(asked, SEND))->connection_index,
                     INDEX);
    assert_int_equal(close(fd), 0);
    expect_closed(CLOSE_BOTH);
}

static void one_that_is_refused_says_so_once_and_may_be_tried_again(void **state)
{
    int fd = make_socket(SOCK_NONBLOCK);
    uint32_t stream_index;
    char byte;

    (void)state;
    assert_fails(connect_to_peer(fd), EINPROGRESS);
    answer(expect_open(0, false), ECONNREFUSED);
    assert_int_equal(events_of(fd), POLLIN | POLLOUT | POLLERR | POLLHUP | POLLRDHUP);
    assert_int_equal(error_of(fd), ECONNREFUSED);
    assert_int_equal(error_of(fd), 0);
    assert_int_equal(events_of(fd), POLLIN | POLLOUT | POLLHUP | POLLRDHUP);
    assert_int_equal(recv(fd, &byte, 1, 0), 0);
    assert_fails(send(fd, "a", 1, MSG_NOSIGNAL), EPIPE);

    assert_fails(connect_to_peer(fd), EINPROGRESS);
    answer(expect_open(0, false), ETIMEDOUT);
    assert_fails(connect_to_peer(fd), ETIMEDOUT); /* told by the call, if by nothing else */
    assert_fails(connect_to_peer(fd), EINPROGRESS);
    stream_index = expect_open(0, false);
    answer(stream_index, EHOSTUNREACH);
    assert_fails(send(fd, "a", 1, MSG_NOSIGNAL), EHOSTUNREACH);
    assert_int_equal(error_of(fd), 0);
    assert_int_equal(close(fd), 0);
    assert_null(fake_take_message(asked)); /* the TS has forgotten it */
}

static void epoll_tells_of_both_ends(void **state)
{
    int epoll = epoll_create1(0), fd = make_socket(SOCK_NONBLOCK);
    struct epoll_event event = {.events = EPOLLOUT | EPOLLET, .data.fd = fd};

    (void)state;
    assert_fails(connect_to_peer(fd), EINPROGRESS);
    assert_int_equal(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event), 0);
    assert_int_equal(epoll_wait(epoll, &event, 1, 0), 0);
    answer(expect_open(0, false), ECONNREFUSED);
    assert_int_equal(epoll_wait(epoll, &event, 1, 0), 1);
    assert_int_equal(event.events, EPOLLOUT | EPOLLERR | EPOLLHUP);
    assert_fails(connect_to_peer(fd), ECONNREFUSED);
    assert_fails(connect_to_peer(fd), EINPROGRESS);
    answer(expect_open(0, false), 0);
    assert_int_equal(epoll_wait(epoll, &event, 1, 0), 1);
    assert_int_equal(event.events, EPOLLOUT);
    assert_int_equal(close(fd), 0);
    expect_closed(CLOSE_BOTH);
    assert_int_equal(close(epoll), 0);
}

static void one_that_is_closed_meanwhile_is_withdrawn(void **state)
{
    int fd = make_socket(SOCK_NONBLOCK);
    uint32_t stream_index;

    (void)state;
    assert_fails(connect_to_peer(fd), EINPROGRESS);
    stream_index = expect_open(0, false);
    assert_int_equal(close(fd), 0);
    assert_int_equal(expect_open(0, true), stream_index);
    /* The two have crossed. */
    answer(stream_index, 0);
    expect_closed(CLOSE_ABORT);
    answer(stream_index, ECONNREFUSED);
    assert_null(fake_take_message(asked));
}

static void kill_server(void)
{
    fake_set_node_state(asked, NODE_DEAD);
}

static void the_death_of_the_server_ends_it(void **state)
{
    int fd = make_socket(SOCK_NONBLOCK);

    (void)state;
    assert_fails(connect_to_peer(fd), EINPROGRESS);
    (void)expect_open(0, false);
    dispatch_round();
    fake_on_sleep(kill_server);
    dispatch_sleep();
    dispatch_round();
    assert_int_equal(events_of(fd), POLLIN | POLLOUT | POLLERR | POLLHUP | POLLRDHUP);
    assert_fails(connect_to_peer(fd), ECONNRESET);
    assert_int_equal(close(fd), 0);
}

/* --- bind() before --- */

/* SO_INCOMING_CPU: a wish, of which a number that is no server's changes nothing. */
static void the_node_that_is_wished_for_opens_it_and_is_told(void **state)
{
    socklen_t bytes = sizeof(int);

    (void)state;
    for (int wished = 0; wished < 2; wished++) {
        int fd = make_socket(SOCK_NONBLOCK), told;

        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_INCOMING_CPU, &wished, sizeof(wished)), 0);
        assert_fails(connect_to_peer(fd), EINPROGRESS);
        answer(expect_open(0, false), 0);
        assert_int_equal(asked, wished);
        assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_INCOMING_CPU, &told, &bytes), 0);
        assert_int_equal(told, wished);
        assert_fails(setsockopt(fd, SOL_SOCKET, SO_INCOMING_CPU, &wished, sizeof(wished)),
                     ENOPROTOOPT);
        assert_int_equal(close(fd), 0);
        expect_closed(CLOSE_BOTH);
    }
    for (int i = 0; i < 3; i++) {
        const int strange[] = {-1, 2, 1 << 30};
        int fd = make_socket(SOCK_NONBLOCK);

        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_INCOMING_CPU, &strange[i], sizeof(int)), 0);
        assert_fails(connect_to_peer(fd), EINPROGRESS);
        (void)expect_open(0, false);
        assert_int_equal(close(fd), 0);
        (void)expect_open(0, true);
    }
}

static void a_port_that_was_bound_is_asked_for(void **state)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(5555)};
    socklen_t bytes = sizeof(name);
    int fd = make_socket(SOCK_NONBLOCK), other = make_socket(0), yes = 1;

    (void)state;
    assert_int_equal(bind(fd, (struct sockaddr *)&name, sizeof(name)), 0);
    assert_fails(bind(other, (struct sockaddr *)&name, sizeof(name)), EADDRINUSE);
    name.sin_addr.s_addr = htonl(OWN_ADDRESS);
    assert_fails(bind(other, (struct sockaddr *)&name, sizeof(name)), EADDRINUSE);
    assert_int_equal(setsockopt(other, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)), 0);
    assert_fails(bind(other, (struct sockaddr *)&name, sizeof(name)), EADDRINUSE);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)), 0);
    assert_int_equal(bind(other, (struct sockaddr *)&name, sizeof(name)), 0);
    assert_int_equal(close(other), 0);

    assert_fails(connect_to_peer(fd), EINPROGRESS);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&name, &bytes), 0);
    assert_int_equal(name.sin_port, htons(5555));
    answer(expect_open(5555, false), EADDRNOTAVAIL);
    assert_fails(connect_to_peer(fd), EADDRNOTAVAIL);
    assert_int_equal(close(fd), 0);
    /* Any port, which is chosen later. */
    fd = make_socket(SOCK_NONBLOCK);
    name.sin_port = 0;
    assert_int_equal(bind(fd, (struct sockaddr *)&name, sizeof(name)), 0);
    assert_fails(connect_to_peer(fd), EINPROGRESS);
    answer(expect_open(0, false), 0);
    assert_int_equal(close(fd), 0);
    expect_closed(CLOSE_BOTH);
}

static void a_port_that_somebody_listens_on_is_in_use_unless_both_share_it(void **state)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    int listener = open_listener(4), other = make_socket(0), yes = 1;

    (void)state;
    assert_int_equal(setsockopt(other, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)), 0);
    assert_int_equal(setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)), 0);
    assert_fails(bind(other, (struct sockaddr *)&name, sizeof(name)), EADDRINUSE);
    assert_int_equal(setsockopt(other, SOL_SOCKET, SO_REUSEPORT, &yes, sizeof(yes)), 0);
    assert_int_equal(setsockopt(listener, SOL_SOCKET, SO_REUSEPORT, &yes, sizeof(yes)), 0);
    assert_int_equal(bind(other, (struct sockaddr *)&name, sizeof(name)), 0);
    assert_int_equal(close(other), 0);
    close_listener(listener);
}

static void what_cannot_be_connected_is_refused(void **state)
{
    struct sockaddr_in name = peer;
    int listener = open_listener(4), fd = make_socket(0);

    (void)state;
    assert_fails(connect_to_peer(1000), EBADF);
    assert_fails(connect_to_peer(listener), EISCONN);
    assert_fails(connect(fd, (struct sockaddr *)&name, sizeof(name) - 1), EINVAL);
    name.sin_family = AF_UNIX;
    assert_fails(connect(fd, (struct sockaddr *)&name, sizeof(name)), EAFNOSUPPORT);
    assert_int_equal(close(fd), 0);
    close_listener(listener);
}

/* --- With a thread that waits --- */

static struct {
    int fd, result, error;
    bool has_ended;
} waiting;

static void connect_and_wait(void *argument)
{
    (void)argument;
    waiting.result = connect_to_peer(waiting.fd);
    waiting.error = errno;
    waiting.has_ended = true;
}

static void begin_waiting(void)
{
    waiting.fd = make_socket(0);
    waiting.has_ended = false;
    assert_non_null(thread_create("waits", connect_and_wait, NULL));
    dispatch_round();
    dispatch_round();
    assert_false(waiting.has_ended);
}

static void a_thread_waits_for_the_answer(void **state)
{
    (void)state;
    begin_waiting();
    answer(expect_open(0, false), 0);
    dispatch_round();
    assert_true(waiting.has_ended);
    assert_int_equal(waiting.result, 0);
    assert_int_equal(close(waiting.fd), 0);
    expect_closed(CLOSE_BOTH);

    begin_waiting();
    answer(expect_open(0, false), ECONNREFUSED);
    dispatch_round();
    assert_true(waiting.has_ended);
    assert_int_equal(waiting.result, -1);
    assert_int_equal(waiting.error, ECONNREFUSED);
    assert_int_equal(events_of(waiting.fd), POLLOUT | POLLHUP); /* as before */
    assert_int_equal(close(waiting.fd), 0);
}

static void a_thread_that_waits_finds_it_closed(void **state)
{
    (void)state;
    begin_waiting();
    (void)expect_open(0, false);
    assert_int_equal(close(waiting.fd), 0);
    (void)expect_open(0, true);
    dispatch_round();
    assert_true(waiting.has_ended);
    assert_int_equal(waiting.error, EBADF);
}

/* Whoever opens from a port of a block must be the one who also chooses from it. */
static void a_port_of_a_servers_block_is_opened_by_that_server(void **state)
{
    static const struct {
        uint16_t port;
        node_id_t ts;
    } cases[] = {{32768, 0}, {32768 + 16383, 0}, {32768 + 16384, 1}, {65535, 1}};

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(cases[i].port)};
        int fd = make_socket(SOCK_NONBLOCK);
        uint32_t stream_index;

        assert_int_equal(bind(fd, (const struct sockaddr *)&name, sizeof(name)), 0);
        assert_fails(connect_to_peer(fd), EINPROGRESS);
        stream_index = expect_open(cases[i].port, false);
        assert_int_equal(asked, cases[i].ts);
        answer(stream_index, ECONNREFUSED);
        assert_int_equal(close(fd), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SOCKET_TEST(a_connection_that_is_begun_is_told_by_writability),
        SOCKET_TEST(one_that_is_refused_says_so_once_and_may_be_tried_again),
        SOCKET_TEST(epoll_tells_of_both_ends),
        SOCKET_TEST(one_that_is_closed_meanwhile_is_withdrawn),
        SOCKET_TEST(the_death_of_the_server_ends_it),
        SOCKET_TEST(the_node_that_is_wished_for_opens_it_and_is_told),
        SOCKET_TEST(a_port_that_was_bound_is_asked_for),
        SOCKET_TEST(a_port_that_somebody_listens_on_is_in_use_unless_both_share_it),
        SOCKET_TEST(what_cannot_be_connected_is_refused),
        SOCKET_TEST(a_thread_waits_for_the_answer),
        SOCKET_TEST(a_thread_that_waits_finds_it_closed),
        SOCKET_TEST(a_port_of_a_servers_block_is_opened_by_that_server),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
