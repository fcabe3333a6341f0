/* SPDX-License-Identifier: MIT */
/*
 * The calls of <sys/socket.h> for sockets that are not TCP's: see other_socket.h. All forms of
 * recv() and send() become one.
 */
#include "libc/posix/other_socket.h"

#include <errno.h>
#include <string.h>
#include <sys/uio.h>

#include "libc/posix/socket.h"

static const struct socket_calls *calls_of(const struct descriptor *socket)
{
    return socket->operations->socket_calls;
}

int other_bind(struct descriptor *socket, const struct sockaddr *address, socklen_t bytes)
{
    const struct socket_calls *calls = calls_of(socket);

    return (int)call_result(calls->bind != NULL ? calls->bind(socket, address, bytes)
                                                : -EOPNOTSUPP);
}

int other_connect(struct descriptor *socket, const struct sockaddr *address, socklen_t bytes)
{
    const struct socket_calls *calls = calls_of(socket);

    return (int)call_result(calls->connect != NULL ? calls->connect(socket, address, bytes)
                                                   : -EOPNOTSUPP);
}

ssize_t other_receive(struct descriptor *socket, struct msghdr *message, int flags)
{
    ssize_t bytes = iovec_total(message->msg_iov, message->msg_iovlen, -EMSGSIZE);

    return call_result(bytes >= 0 ? calls_of(socket)->receive(socket, message, (size_t)bytes, flags)
                                  : bytes);
}

ssize_t other_receive_from(struct descriptor *socket, void *buffer, size_t bytes, int flags,
                           struct sockaddr *address, socklen_t *address_bytes)
{
    struct iovec piece = {.iov_base = buffer, .iov_len = bytes};
    struct msghdr message = {.msg_name = address,
                             .msg_namelen = address != NULL ? *address_bytes : 0,
                             .msg_iov = &piece,
                             .msg_iovlen = 1};
    ssize_t received = other_receive(socket, &message, flags);

    if (received >= 0 && address != NULL) {
        *address_bytes = message.msg_namelen;
    }
    return received;
}

ssize_t other_send(struct descriptor *socket, const struct msghdr *message,
                   const struct iovec *pieces, size_t bytes, int flags)
{
    const struct msghdr plain = {.msg_iov = (struct iovec *)(uintptr_t)pieces};

    if ((flags & MSG_OOB) != 0) {
        return call_result(-EOPNOTSUPP);
    }
    return call_result(
        calls_of(socket)->send(socket, message != NULL ? message : &plain, bytes, flags));
}

ssize_t other_send_to(struct descriptor *socket, const void *data, size_t bytes, int flags,
                      const struct sockaddr *address, socklen_t address_bytes)
{
    struct iovec piece = {.iov_base = (void *)(uintptr_t)data, .iov_len = bytes};
    const struct msghdr message = {
        .msg_name = (void *)(uintptr_t)address, .msg_namelen = address_bytes, .msg_iov = &piece};

    return other_send(socket, &message, &piece, bytes, flags);
}

int other_shutdown(struct descriptor *socket, int how)
{
    bool is_known = how == SHUT_RD || how == SHUT_WR || how == SHUT_RDWR;

    return (int)call_result(is_known ? calls_of(socket)->shutdown(socket, how) : -EINVAL);
}

int other_name(struct descriptor *socket, bool is_peers, struct sockaddr *address, socklen_t *bytes)
{
    return (int)call_result(calls_of(socket)->name(socket, is_peers, address, bytes));
}

int other_set_option(struct descriptor *socket, int level, int option, const void *value,
                     socklen_t bytes)
{
    const struct socket_calls *calls = calls_of(socket);

    return (int)call_result(calls->set_option != NULL
                                ? calls->set_option(socket, level, option, value, bytes)
                                : -ENOPROTOOPT);
}

int other_take_option(struct descriptor *socket, int level, int option, int *number)
{
    if (level == SOL_SOCKET && option == SO_TYPE) {
        *number = calls_of(socket)->type;
        return 0;
    }
    if (level == SOL_SOCKET && option == SO_ACCEPTCONN) {
        *number = 0;
        return 0;
    }
    return calls_of(socket)->take_option(socket, level, option, number);
}

void other_store_address(const void *from, socklen_t from_bytes, struct sockaddr *address,
                         socklen_t *bytes)
{
    memcpy(address, from, *bytes < from_bytes ? *bytes : from_bytes);
    *bytes = from_bytes;
}

ssize_t other_read(struct descriptor *socket, void *buffer, size_t bytes)
{
    struct iovec piece = {.iov_base = buffer, .iov_len = bytes};
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};

    return calls_of(socket)->receive(socket, &message, bytes, 0);
}

ssize_t other_write(struct descriptor *socket, const struct iovec *pieces, size_t count,
                    size_t bytes)
{
    const struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)pieces};

    (void)count;
    return calls_of(socket)->send(socket, &message, bytes, 0);
}
