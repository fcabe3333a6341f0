/* SPDX-License-Identifier: MIT */
/*
 * connect(), and the socket until that has come to something. Then it is as one from accept(); or
 * it has failed, which is told once, and may be tried again.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "libc/posix/other_socket.h"
#include "libc/posix/socket.h"
#include "net/streams/opening.h"
#include "net/streams/stream.h"

static bool is_connecting(const struct socket *socket)
{
    return socket->descriptor.operations == &connecting_operations;
}

/* It goes on as one that was accepted. */
static void conclude(struct socket *socket)
{
    socket_clear(socket); /* its address is the connection's now */
    socket->descriptor.operations = &connected_operations;
}

static void opening_changed(void *owner, unsigned readiness)
{
    struct socket *socket = owner;

    if (is_connecting(socket) && (readiness & (STREAM_HAS_FAILED | STREAM_CAN_WRITE)) != 0 &&
        !stream_is_opening(socket->stream) && (readiness & STREAM_HAS_FAILED) == 0) {
        conclude(socket);
    }
    descriptor_notify(&socket->descriptor, readiness);
}

static void drop_stream(struct socket *socket)
{
    if (stream_is_opening(socket->stream)) {
        stream_withdraw(socket->stream);
    } else {
        stream_close(socket->stream, CLOSE_BOTH);
    }
    socket->stream = NULL;
}

/* --- Of one that is connecting, or has failed to --- */

static unsigned readiness_of_connecting(const struct descriptor *descriptor)
{
    return stream_readiness(CONTAINER_OF(descriptor, struct socket, descriptor)->stream);
}

static ssize_t read_connecting(struct descriptor *descriptor, void *buffer, size_t bytes)
{
    struct socket *socket = socket_of(descriptor);
    int error = socket_await_connection(socket, 0);

    return error != 0 ? error : socket_receive(socket, buffer, bytes, 0);
}

static ssize_t write_connecting(struct descriptor *descriptor, const struct iovec *pieces,
                                size_t count, size_t bytes)
{
    struct socket *socket = socket_of(descriptor);
    int error = socket_await_connection(socket, 0);

    (void)count;
    return error != 0 ? error : socket_send(socket, pieces, bytes, 0);
}

static void close_connecting(struct descriptor *descriptor)
{
    struct socket *socket = socket_of(descriptor);

    drop_stream(socket);
    socket_clear(socket);
    socket_release(socket);
}

const struct descriptor_operations connecting_operations = {
    .readiness = readiness_of_connecting,
    .read = read_connecting,
    .write = write_connecting,
    .close = close_connecting,
};

/* --- connect() --- */

int socket_await_connection(struct socket *socket, int flags)
{
    int error = 0;

    while (error == 0 && is_connecting(socket) && stream_is_opening(socket->stream)) {
        error = descriptor_wait_or_again(&socket->descriptor, READY_OUT, flags,
                                         socket_deadline(socket, READY_OUT));
    }
    return error;
}

struct socket *socket_get_sooner_or_later(int fd, int flags, int *error)
{
    struct socket *socket = socket_get(fd, error);

    if (socket != NULL && socket->stream == NULL) {
        *error = -ENOTCONN;
        return NULL;
    }
    if (socket != NULL && is_connecting(socket)) {
        *error = socket_await_connection(socket, flags);
    }
    return *error == 0 ? socket : NULL;
}

/* What has become of it: 0, or why it has failed, once. */
static int take_result(struct socket *socket)
{
    int error;

    if (!is_connecting(socket)) {
        return 0;
    }
    error = stream_take_error(socket->stream);
    drop_stream(socket);
    socket->descriptor.operations = &socket_operations;
    return error;
}

static int begin(struct socket *socket, const struct sockaddr_in *peer)
{
    node_id_t server =
        socket->server_and_one != 0 ? (node_id_t)(socket->server_and_one - 1) : NODE_NONE;

    socket->stream = stream_open(server, peer->sin_addr.s_addr, peer->sin_port, htons(socket->port),
                                 opening_changed, socket);
    if (socket->stream == NULL) {
        return -ENOBUFS;
    }
    socket->descriptor.operations = &connecting_operations;
    return 0;
}

static int wait_for_result(struct socket *socket)
{
    int error = socket_await_connection(socket, 0);

    return error == 0 ? take_result(socket) : error;
}

/* As Linux has it (inet_stream_connect()). */
static int connect_socket(struct socket *socket, const struct sockaddr_in *peer)
{
    bool is_new = false;
    int error;

    if (socket->listener != NULL || (socket->stream != NULL && !is_connecting(socket))) {
        return -EISCONN;
    }
    if (is_connecting(socket) && !stream_is_opening(socket->stream)) {
        error = take_result(socket);
        if (error != 0) {
            return error; /* of the last time, which nobody has asked for */
        }
    }
    if (socket->stream == NULL) {
        error = begin(socket, peer);
        if (error != 0) {
            return error;
        }
        is_new = true;
    }
    error = wait_for_result(socket);
    if (error == -EAGAIN) {
        return is_new ? -EINPROGRESS : -EALREADY;
    }
    return error;
}

int connect(int fd, const struct sockaddr *address, socklen_t bytes)
{
    struct descriptor *other = other_socket(fd);

    if (other != NULL) {
        return other_connect(other, address, bytes);
    }
    int error;
    struct socket *socket = socket_get(fd, &error);
    struct sockaddr_in peer;

    if (socket == NULL) {
        return (int)call_result(error);
    }
    if (bytes < sizeof(peer)) {
        return (int)call_result(-EINVAL);
    }
    memcpy(&peer, address, sizeof(peer));
    if (peer.sin_family != AF_INET) {
        return (int)call_result(-EAFNOSUPPORT);
    }
    return (int)call_result(connect_socket(socket, &peer));
}
