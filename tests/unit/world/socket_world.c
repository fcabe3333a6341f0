/* SPDX-License-Identifier: MIT */
/* sources: libc/posix/descriptor.c libc/posix/socket.c libc/posix/socket_connect.c libc/posix/socket_bind.c libc/posix/socket_options.c libc/posix/socket_splice.c libc/posix/socket_timeout.c libc/posix/socket_transfer.c */
/* sources: libc/posix/poll.c libc/posix/epoll.c libc/posix/other_socket.c net/address.c */
/* sources: libc/posix/datagram_socket.c libc/posix/datagram_groups.c libc/posix/datagram_options.c libc/posix/datagram_transfer.c net/datagrams/group.c net/datagrams/port.c net/names/question.c net/domain_name.c */
/*
 * An application's sockets for unit tests: see socket_world.h.
 */
#include "tests/unit/world/socket_world.h"

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "kernel/message/dispatch.h"
#include "libc/posix/log_stream.h"
#include "libc/posix/socket.h"
#include "tests/unit/world/fake_platform.h"

unsigned socket_line_ends;

ssize_t log_stream_write(int fd, const void *text, size_t bytes)
{
    (void)text;
    return fd == STDOUT_FILENO ? (ssize_t)bytes : -EBADF;
}

void log_streams_end_lines(void)
{
    socket_line_ends++;
}

int start_sockets(void **state)
{
    (void)state;
    start_application_node();
    sockets_start();
    return 0;
}

int end_sockets(void **state)
{
    (void)state;
    for (unsigned fd = 0; fd < descriptor_limit(); fd++) {
        assert_null(descriptor_get((int)fd));
    }
    return 0;
}

int open_listener(int backlog)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

    assert_true(fd >= 3);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, backlog), 0);
    expect_listen((uint32_t)backlog);
    return fd;
}

void close_listener(int fd)
{
    assert_int_equal(close(fd), 0);
    expect_unlisten();
}

void expect_ask(int listener)
{
    assert_int_equal(accept(listener, NULL, NULL), -1);
    assert_int_equal(errno, EAGAIN);
    expect_place_request();
}

struct pair open_connection(const char *data)
{
    struct pair pair = {.listener = open_listener(4), .generation = 3};

    expect_ask(pair.listener);
    make_available(7, pair.generation, "");
    assert_int_equal(accept(pair.listener, NULL, NULL), -1);
    pair.stream_index = expect_claim(7, pair.generation);
    confirm(7, pair.generation, pair.stream_index, data);
    pair.fd = accept4(pair.listener, NULL, NULL, SOCK_NONBLOCK);
    assert_true(pair.fd >= 3);
    return pair;
}

void close_pair(struct pair pair)
{
    const struct message *message;

    assert_int_equal(close(pair.fd), 0);
    /* Whatever the test has left: the close is the last. */
    do {
        message = fake_take_message(TS);
        assert_non_null(message);
    } while (message->header.type != CLOSE);
    close_listener(pair.listener);
}
