/* SPDX-License-Identifier: MIT */
/*
 * recv(), send() and their other forms, and shutdown(): what POSIX adds to a stream is that a call
 * may wait, and that an error is told once.
 */
#include <errno.h>
#include <sys/socket.h>

#include "libc/posix/other_socket.h"
#include "libc/posix/socket.h"
#include "net/streams/stream.h"

_Static_assert(offsetof(struct iovec, iov_base) == offsetof(struct stream_piece, data) &&
                   offsetof(struct iovec, iov_len) == offsetof(struct stream_piece, bytes) &&
                   sizeof(struct iovec) == sizeof(struct stream_piece),
               "pieces pass unchanged");

/* Wait until one of `events` may have come true. -EAGAIN if this call must not wait, or not longer,
 * -EBADF if the socket was closed meanwhile. */
static int wait_for(struct socket *socket, unsigned events, int flags)
{
    return descriptor_wait_or_again(&socket->descriptor, events, flags,
                                    socket_deadline(socket, events));
}

/* What a call returns that has moved `moved` bytes before this error. With some moved the next call
 * tells it. */
static ssize_t end_call(struct socket *socket, size_t moved, int64_t error)
{
    if (moved > 0) {
        return (ssize_t)moved;
    }
    (void)stream_take_error(socket->stream); /* it is `error`, or there is none to be told */
    return error;
}

ssize_t socket_receive(struct socket *socket, void *buffer, size_t bytes, int flags)
{
    size_t received = 0;

    for (;;) {
        int64_t part = stream_receive(socket->stream, (uint8_t *)buffer + received,
                                      bytes - received, (flags & MSG_PEEK) != 0);
        if (part >= 0) {
            received += (size_t)part;
            /* A second peek would only find the same bytes again. */
            if (part == 0 || received == bytes || !(flags & MSG_WAITALL) || (flags & MSG_PEEK)) {
                return (ssize_t)received;
            }
        } else if (part != -EAGAIN) {
            return end_call(socket, received, part);
        } else {
            int error = wait_for(socket, READY_IN, flags);
            if (error != 0) {
                return received > 0 ? (ssize_t)received : error;
            }
        }
    }
}

/* What its peer and its TS are told behind the last byte. A close() that resets says so itself. */
static inline enum close_kind end_behind(const struct socket *socket, int flags)
{
    if ((flags & MSG_CLOSE) != 0 && !socket->is_linger_zero) {
        return CLOSE_BOTH;
    }
    return (flags & (MSG_EOF | MSG_CLOSE)) != 0 ? CLOSE_SEND_ONLY : CLOSE_NOT;
}

/* Go on after the first try, which has returned `part`. A function of its own, so that most calls,
 * which need no second try, do not save the registers that this one uses. */
static __attribute__((noinline)) ssize_t send_rest(struct socket *socket,
                                                   const struct stream_piece *pieces, size_t bytes,
                                                   int flags, int64_t part)
{
    size_t sent = 0;

    for (;;) {
        if (part >= 0) {
            sent += (size_t)part;
            if (sent == bytes) {
                return (ssize_t)sent;
            }
        } else if (part != -EAGAIN) {
            return end_call(socket, sent, part);
        } else {
            int error = wait_for(socket, READY_OUT, flags);
            if (error != 0) {
                return sent > 0 ? (ssize_t)sent : error;
            }
        }
        part = stream_send_rest(socket->stream, pieces, bytes, sent, end_behind(socket, flags));
    }
}

ssize_t socket_send(struct socket *socket, const struct iovec *pieces, size_t bytes, int flags)
{
    const struct stream_piece *as_pieces = (const struct stream_piece *)(const void *)pieces;
    int64_t part = stream_send(socket->stream, as_pieces, bytes, end_behind(socket, flags));

    if (LIKELY(part == (int64_t)bytes)) {
        return part;
    }
    return send_rest(socket, as_pieces, bytes, flags, part);
}

static __attribute__((noinline)) ssize_t receive_otherwise(int fd, void *buffer, size_t bytes,
                                                           int flags)
{
    struct descriptor *other = other_socket(fd);

    if (other != NULL) {
        return other_receive_from(other, buffer, bytes, flags, NULL, NULL);
    }
    int error = 0;
    struct socket *socket = socket_get_sooner_or_later(fd, flags, &error);

    if (socket != NULL && (flags & MSG_OOB)) {
        return call_result(-EINVAL);
    }
    return call_result(socket != NULL ? socket_receive(socket, buffer, bytes, flags) : error);
}

/* What has come is nearly always all that is asked for: then nothing can fail or wait. */
ssize_t recv(int fd, void *buffer, size_t bytes, int flags)
{
    struct descriptor *descriptor = descriptor_get(fd);

    if (LIKELY(descriptor != NULL && descriptor->operations == &connected_operations &&
               flags == 0 && bytes != 0)) {
        struct stream *stream = socket_of(descriptor)->stream;

        if (LIKELY(stream_has_received(stream))) {
            return (ssize_t)stream_take(stream, buffer, bytes);
        }
    }
    return receive_otherwise(fd, buffer, bytes, flags);
}

ssize_t recv_lent(int fd, void *buffer, size_t bytes, const void **data)
{
    struct descriptor *descriptor = descriptor_get(fd);

    if (LIKELY(descriptor != NULL && descriptor->operations == &connected_operations)) {
        size_t lent_bytes = stream_take_lent(socket_of(descriptor)->stream, bytes, data);

        if (LIKELY(lent_bytes != 0)) {
            return (ssize_t)lent_bytes;
        }
    }
    *data = buffer;
    return recv(fd, buffer, bytes, 0);
}

/* `message` is NULL if there is no more to say than the pieces. */
static ssize_t send_pieces(int fd, const struct iovec *pieces, size_t bytes, int flags,
                           const struct msghdr *message)
{
    int error = 0;
    struct socket *socket = socket_get_connected(fd, &error);

    if (UNLIKELY(socket == NULL)) {
        struct descriptor *other = other_socket(fd);

        if (other != NULL) {
            return other_send(other, message, pieces, bytes, flags);
        }
        socket = socket_get_sooner_or_later(fd, flags, &error);
        if (socket == NULL) {
            return call_result(error);
        }
    }
    if (UNLIKELY((flags & MSG_OOB) != 0)) {
        return call_result(-EOPNOTSUPP);
    }
    ssize_t sent = socket_send(socket, pieces, bytes, flags);
    if ((flags & MSG_CLOSE) != 0 && sent == (ssize_t)bytes) {
        descriptor_close_open(&socket->descriptor); /* it may have waited, but was not closed */
    }
    return call_result(sent);
}

ssize_t send(int fd, const void *data, size_t bytes, int flags)
{
    const struct iovec piece = {.iov_base = (void *)(uintptr_t)data, .iov_len = bytes};

    return send_pieces(fd, &piece, bytes, flags, NULL);
}

int shutdown(int fd, int how)
{
    struct descriptor *other = other_socket(fd);

    if (other != NULL) {
        return other_shutdown(other, how);
    }
    int error = 0;
    struct socket *socket = socket_get_connected(fd, &error);

    if (socket == NULL) {
        return (int)call_result(error);
    }
    if (how != SHUT_RD && how != SHUT_WR && how != SHUT_RDWR) {
        return (int)call_result(-EINVAL);
    }
    if (how != SHUT_WR) {
        stream_shut_receive(socket->stream);
    }
    if (how != SHUT_RD) {
        stream_shut_send(socket->stream);
    }
    descriptor_notify(&socket->descriptor, READY_IN | READY_OUT | READY_HANGUP);
    return 0;
}

/* --- Other forms of recv() and send() --- */

ssize_t recvfrom(int fd, void *restrict buffer, size_t bytes, int flags,
                 struct sockaddr *restrict address, socklen_t *restrict address_bytes)
{
    struct descriptor *other = other_socket(fd);

    if (other != NULL) {
        return other_receive_from(other, buffer, bytes, flags, address, address_bytes);
    }
    if (address != NULL && getpeername(fd, address, address_bytes) != 0) {
        return -1;
    }
    return recv(fd, buffer, bytes, flags);
}

ssize_t sendto(int fd, const void *data, size_t bytes, int flags, const struct sockaddr *address,
               socklen_t address_bytes)
{
    struct descriptor *other = other_socket(fd);

    if (other != NULL) {
        return other_send_to(other, data, bytes, flags, address, address_bytes);
    }
    (void)address_bytes;
    if (address != NULL) {
        return call_result(-EISCONN);
    }
    return send(fd, data, bytes, flags);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    ssize_t bytes = iovec_total(message->msg_iov, message->msg_iovlen, -EMSGSIZE);

    if (bytes < 0) {
        return call_result(bytes);
    }
    return send_pieces(fd, message->msg_iov, (size_t)bytes, flags, message);
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
    struct descriptor *other = other_socket(fd);

    if (other != NULL) {
        return other_receive(other, message, flags);
    }
    ssize_t total = 0;
    ssize_t bytes = iovec_total(message->msg_iov, message->msg_iovlen, -EMSGSIZE);

    if (bytes < 0) {
        return call_result(bytes);
    }
    message->msg_flags = 0;
    message->msg_controllen = 0;
    for (size_t i = 0; i < message->msg_iovlen; i++) {
        const struct iovec *piece = &message->msg_iov[i];
        /* Once something has come, the rest is taken only as far as it is there. */
        ssize_t received =
            recv(fd, piece->iov_base, piece->iov_len, total > 0 ? flags | MSG_DONTWAIT : flags);
        if (received < 0) {
            return total > 0 ? total : -1;
        }
        total += received;
        if ((size_t)received < piece->iov_len) {
            break;
        }
    }
    return total;
}
