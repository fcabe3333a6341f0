/* SPDX-License-Identifier: MIT */
/*
 * setsockopt() and getsockopt(). An option that would change nothing here, or that we do not have,
 * is refused rather than ignored; but what every server sets and always has here is accepted.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include "kernel/platform.h"
#include "libc/posix/other_socket.h"
#include "libc/posix/socket.h"
#include "libc/posix/socket_timeout.h"
#include "net/streams/listener.h"
#include "net/streams/stream.h"

/* A connection's window (net/transport/tcp/handshake.h). */
#define RECEIVE_BUFFER_BYTES (511 << 7)

static int set_linger(struct socket *socket, const void *value, socklen_t bytes)
{
    struct linger linger;

    if (bytes < sizeof(linger)) {
        return -EINVAL;
    }
    memcpy(&linger, value, sizeof(linger));
    if (socket->stream == NULL) {
        return -ENOPROTOOPT;
    }
    /* With another time close() sends what is left anyway, without waiting for it. */
    socket->is_linger_zero = linger.l_onoff != 0 && linger.l_linger == 0;
    return 0;
}

static void set_defer(struct socket *socket, int seconds)
{
    socket->defer_s = seconds > 0 ? (uint32_t)seconds : 0;
    if (socket->listener != NULL) {
        stream_listener_set_defer(socket->listener, socket->defer_s * NS_PER_S);
    }
}

/* As on Linux a wish: connect() keeps to it where there is such a server. A number that no node has
 * takes it back. */
static int set_server(struct socket *socket, int number)
{
    if (socket->stream != NULL || socket->listener != NULL) {
        return -ENOPROTOOPT; /* its server cannot be changed */
    }
    socket->server_and_one = number >= 0 && number < (int)NODE_MAX ? (node_id_t)(number + 1) : 0;
    return 0;
}

/* Kept in milliseconds, at least one; more than can be kept are for ever. */
static int set_timeout(struct socket *socket, int option, const void *value, socklen_t bytes)
{
    uint64_t timeout_ns, timeout_ms;
    int error = socket_read_timeout(value, bytes, &timeout_ns);

    if (error != 0) {
        return error;
    }
    timeout_ms = (timeout_ns + NS_PER_MS - 1) / NS_PER_MS;
    if (!socket->has_timeouts) {
        socket->receive_timeout_ms = socket->send_timeout_ms = 0;
        socket->has_timeouts = true;
    }
    *(option == SO_RCVTIMEO ? &socket->receive_timeout_ms : &socket->send_timeout_ms) =
        timeout_ms <= UINT32_MAX ? (uint32_t)timeout_ms : 0;
    return 0;
}

static uint64_t timeout_ns_of(const struct socket *socket, bool is_receive)
{
    uint32_t timeout_ms = is_receive ? socket->receive_timeout_ms : socket->send_timeout_ms;

    return socket->has_timeouts ? timeout_ms * NS_PER_MS : 0;
}

uint64_t socket_deadline(const struct socket *socket, unsigned events)
{
    uint64_t timeout_ns = timeout_ns_of(socket, events == READY_IN);

    return timeout_ns != 0 ? platform_now_ns() + timeout_ns : UINT64_MAX;
}

static int set_option(struct socket *socket, int level, int option, const void *value,
                      socklen_t bytes)
{
    if (level == SOL_SOCKET && option == SO_LINGER) {
        return set_linger(socket, value, bytes);
    }
    if (level == SOL_SOCKET && option == SO_SPLICE) {
        return socket_splice(socket, value, bytes);
    }
    if (level == SOL_SOCKET && (option == SO_RCVTIMEO || option == SO_SNDTIMEO)) {
        return set_timeout(socket, option, value, bytes);
    }
    int number;
    if (bytes < sizeof(number)) {
        return -EINVAL;
    }
    memcpy(&number, value, sizeof(number));
    if (level == SOL_SOCKET && option == SO_INCOMING_CPU) {
        return set_server(socket, number);
    }
    if (level == SOL_SOCKET && (option == SO_REUSEADDR || option == SO_REUSEPORT)) {
        /* Of other nodes' programs the CM lets every one listen on a port. */
        if (socket->stream == NULL) {
            *(option == SO_REUSEADDR ? &socket->shares_address : &socket->shares_port) =
                number != 0;
        }
        return 0;
    }
    if (level == IPPROTO_TCP && option == TCP_NODELAY) {
        /* Nothing is ever held back: a TS sends at the end of each of its rounds. */
        return number != 0 ? 0 : -ENOPROTOOPT;
    }
    if (level == IPPROTO_TCP && option == TCP_DEFER_ACCEPT && socket->stream == NULL) {
        set_defer(socket, number);
        return 0;
    }
    return -ENOPROTOOPT;
}

int setsockopt(int fd, int level, int option, const void *value, socklen_t bytes)
{
    struct descriptor *other = other_socket(fd);

    if (other != NULL) {
        return other_set_option(other, level, option, value, bytes);
    }
    int error;
    struct socket *socket = socket_get(fd, &error);

    if (socket != NULL) {
        error = set_option(socket, level, option, value, bytes);
    }
    return (int)call_result(error);
}

/* The value of an option. SO_ERROR is told once: reading it takes it. */
static int take_option(struct socket *socket, int level, int option, int *number)
{
    if (level == IPPROTO_TCP && option == TCP_NODELAY) {
        *number = 1;
        return 0;
    }
    if (level != SOL_SOCKET) {
        return -ENOPROTOOPT;
    }
    switch (option) {
    case SO_TYPE:
        *number = SOCK_STREAM;
        return 0;
    case SO_ACCEPTCONN:
        *number = socket->listener != NULL;
        return 0;
    case SO_REUSEADDR:
    case SO_REUSEPORT:
        *number = 1;
        return 0;
    case SO_INCOMING_CPU:
        *number = socket->stream != NULL ? stream_server(socket->stream) : -1;
        return 0;
    case SO_DOMAIN:
        *number = AF_INET;
        return 0;
    case SO_PROTOCOL:
        *number = IPPROTO_TCP;
        return 0;
    case SO_BROADCAST:
        *number = 0;
        return 0;
    case SO_RCVBUF:
        *number = RECEIVE_BUFFER_BYTES;
        return 0;
    case SO_SNDBUF:
        *number = SEND_WINDOW_MAX_BYTES;
        return 0;
    case SO_ERROR:
        *number = socket->stream != NULL ? -stream_take_error(socket->stream) : 0;
        return 0;
    default:
        return -ENOPROTOOPT;
    }
}

static int take_spliced_bytes(const struct socket *socket, void *value, socklen_t *bytes)
{
    off_t moved = socket_spliced_bytes(socket);

    *bytes = *bytes < sizeof(moved) ? *bytes : sizeof(moved);
    memcpy(value, &moved, *bytes);
    return 0;
}

static int take_timeout(const struct descriptor *other, const struct socket *socket, int option,
                        void *value, socklen_t *bytes)
{
    uint64_t timeout_ns = 0;

    if (socket != NULL) {
        timeout_ns = timeout_ns_of(socket, option == SO_RCVTIMEO);
    } else if (other->operations->socket_calls->timeout_ns != NULL && option == SO_RCVTIMEO) {
        timeout_ns = other->operations->socket_calls->timeout_ns(other);
    } else {
        return -ENOPROTOOPT;
    }
    socket_tell_timeout(timeout_ns, value, bytes);
    return 0;
}

/* As Linux: an option of IP that is small is told in a byte to who has no room for more. */
static socklen_t told_bytes(int level, int option, int number, socklen_t room)
{
    if (room >= sizeof(number)) {
        return sizeof(number);
    }
    return room > 0 && level == IPPROTO_IP && option != IP_MULTICAST_IF && number >= 0 &&
                   number <= UINT8_MAX
               ? 1
               : room;
}

int getsockopt(int fd, int level, int option, void *restrict value, socklen_t *restrict bytes)
{
    int error, number;
    struct socket *socket = socket_get(fd, &error);
    struct descriptor *other = other_socket(fd);

    if (socket != NULL && level == SOL_SOCKET && option == SO_SPLICE) {
        return take_spliced_bytes(socket, value, bytes);
    }
    if (level == SOL_SOCKET && (option == SO_RCVTIMEO || option == SO_SNDTIMEO) &&
        (socket != NULL || other != NULL)) {
        return (int)call_result(take_timeout(other, socket, option, value, bytes));
    }
    if (other != NULL) {
        error = other_take_option(other, level, option, &number);
    } else if (socket != NULL) {
        error = take_option(socket, level, option, &number);
    }
    if (error == 0) {
        *bytes = told_bytes(level, option, number, *bytes);
        memcpy(value, &number, *bytes);
    }
    return (int)call_result(error);
}
