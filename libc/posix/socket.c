/* SPDX-License-Identifier: MIT */
/*
 * The socket calls around the streams: making a socket, its addresses and options, and messages
 * of several pieces.
 */
#include "libc/posix/socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include "libc/posix/descriptor.h"
#include "libc/posix/socket_listener.h"
#include "libc/posix/socket_stream.h"
#include "net/address.h"

void sockets_start(void)
{
    socket_listener_start();
    socket_stream_start();
    address_start(); /* programs may want to know it once they run */
}

static int open_socket(int domain, int type, int protocol)
{
    int kind = type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (domain != AF_INET) {
        return -EAFNOSUPPORT;
    }
    if (kind != SOCK_STREAM || (protocol != 0 && protocol != IPPROTO_TCP)) {
        return -EPROTONOSUPPORT;
    }
    struct listening_socket *listener = socket_listener_create();
    if (listener == NULL) {
        return -ENOMEM;
    }
    listener->descriptor.is_nonblocking = (type & SOCK_NONBLOCK) != 0;
    int fd = descriptor_open(&listener->descriptor);
    if (fd < 0) {
        socket_listener_operations.close(&listener->descriptor);
    }
    return fd;
}

int socket(int domain, int type, int protocol)
{
    return (int)call_result(open_socket(domain, type, protocol));
}

/* The object under an fd, if it is a socket of either kind; else -EBADF or -ENOTSOCK. */
static struct descriptor *get_socket(int fd, int *error)
{
    struct descriptor *descriptor = descriptor_get(fd);

    *error = descriptor == NULL ? -EBADF : -ENOTSOCK;
    if (descriptor != NULL && (descriptor->operations == &socket_listener_operations ||
                               descriptor->operations == &socket_stream_operations)) {
        *error = 0;
        return descriptor;
    }
    return NULL;
}

static struct listening_socket *get_listener(int fd, int *error)
{
    struct descriptor *descriptor = get_socket(fd, error);

    if (descriptor != NULL && descriptor->operations != &socket_listener_operations) {
        *error = -EINVAL;
        return NULL;
    }
    return (struct listening_socket *)descriptor;
}

int bind(int fd, const struct sockaddr *address, socklen_t bytes)
{
    int error;
    struct listening_socket *listener = get_listener(fd, &error);
    struct sockaddr_in wanted;

    if (listener == NULL) {
        return (int)call_result(error);
    }
    if (listener->is_bound || bytes < sizeof(wanted)) {
        return (int)call_result(-EINVAL);
    }
    memcpy(&wanted, address, sizeof(wanted));
    if (wanted.sin_family != AF_INET) {
        return (int)call_result(-EAFNOSUPPORT);
    }
    /* Listening is for the whole machine: an address of its own would name the same. */
    listener->address = wanted.sin_addr;
    listener->port = ntohs(wanted.sin_port);
    listener->is_bound = listener->port != 0;
    return (int)call_result(listener->is_bound ? 0 : -EADDRNOTAVAIL);
}

int listen(int fd, int backlog)
{
    int error;
    struct listening_socket *listener = get_listener(fd, &error);

    return (int)call_result(listener != NULL ? socket_listener_listen(listener, backlog) : error);
}

/* --- Addresses --- */

void socket_store_address(uint32_t address, uint16_t port, struct sockaddr *result,
                          socklen_t *bytes)
{
    struct sockaddr_in whole = {
        .sin_family = AF_INET,
        .sin_port = port,
        .sin_addr.s_addr = address,
    };

    memcpy(result, &whole, *bytes < sizeof(whole) ? *bytes : sizeof(whole));
    *bytes = sizeof(whole);
}

int getsockname(int fd, struct sockaddr *restrict address, socklen_t *restrict bytes)
{
    int error;
    struct descriptor *descriptor = get_socket(fd, &error);

    if (descriptor == NULL) {
        return (int)call_result(error);
    }
    if (descriptor->operations == &socket_listener_operations) {
        const struct listening_socket *listener = (struct listening_socket *)descriptor;
        socket_store_address(listener->address.s_addr, htons(listener->port), address, bytes);
    } else {
        const struct flow *flow = &((struct socket *)descriptor)->flow;
        socket_store_address(flow->local_address, flow->local_port, address, bytes);
    }
    return 0;
}

int getpeername(int fd, struct sockaddr *restrict address, socklen_t *restrict bytes)
{
    int error;
    struct descriptor *descriptor = get_socket(fd, &error);

    if (descriptor == NULL) {
        return (int)call_result(error);
    }
    if (descriptor->operations == &socket_listener_operations) {
        return (int)call_result(-ENOTCONN);
    }
    const struct flow *flow = &((struct socket *)descriptor)->flow;
    socket_store_address(flow->remote_address, flow->remote_port, address, bytes);
    return 0;
}

/* --- Options --- */

static int set_linger(struct descriptor *descriptor, const void *value, socklen_t bytes)
{
    struct linger linger;

    if (bytes < sizeof(linger)) {
        return -EINVAL;
    }
    memcpy(&linger, value, sizeof(linger));
    if (descriptor->operations != &socket_stream_operations) {
        return -ENOPROTOOPT;
    }
    /* With another time close() sends what is left anyway, without waiting for it. */
    ((struct socket *)descriptor)->is_linger_zero = linger.l_onoff != 0 && linger.l_linger == 0;
    return 0;
}

static int set_option(struct descriptor *descriptor, int level, int option, const void *value,
                      socklen_t bytes)
{
    if (level == SOL_SOCKET && option == SO_LINGER) {
        return set_linger(descriptor, value, bytes);
    }
    int number;
    if (bytes < sizeof(number)) {
        return -EINVAL;
    }
    memcpy(&number, value, sizeof(number));
    if (level == SOL_SOCKET && (option == SO_REUSEADDR || option == SO_REUSEPORT)) {
        return 0; /* the CM lets every application listen on a port */
    }
    if (level == IPPROTO_TCP && option == TCP_NODELAY) {
        /* Nothing is ever held back: a TS sends at the end of each of its rounds. */
        return number != 0 ? 0 : -ENOPROTOOPT;
    }
    if (level == IPPROTO_TCP && option == TCP_DEFER_ACCEPT &&
        descriptor->operations == &socket_listener_operations) {
        ((struct listening_socket *)descriptor)->defer_ns =
            number > 0 ? (uint64_t)number * NS_PER_S : 0;
        return 0;
    }
    return -ENOPROTOOPT;
}

int setsockopt(int fd, int level, int option, const void *value, socklen_t bytes)
{
    int error;
    struct descriptor *descriptor = get_socket(fd, &error);

    if (descriptor != NULL) {
        error = set_option(descriptor, level, option, value, bytes);
    }
    return (int)call_result(error);
}

static int get_option(struct descriptor *descriptor, int level, int option, int *number)
{
    bool is_listener = descriptor->operations == &socket_listener_operations;

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
        *number = is_listener && ((struct listening_socket *)descriptor)->is_listening;
        return 0;
    case SO_REUSEADDR:
    case SO_REUSEPORT:
        *number = 1;
        return 0;
    case SO_ERROR:
        *number = 0;
        if (!is_listener) {
            struct socket *connection = (struct socket *)descriptor;
            *number = connection->error;
            connection->error = 0;
        }
        return 0;
    default:
        return -ENOPROTOOPT;
    }
}

int getsockopt(int fd, int level, int option, void *restrict value, socklen_t *restrict bytes)
{
    int error, number;
    struct descriptor *descriptor = get_socket(fd, &error);

    if (descriptor != NULL) {
        error = get_option(descriptor, level, option, &number);
    }
    if (error == 0) {
        *bytes = *bytes < sizeof(number) ? *bytes : sizeof(number);
        memcpy(value, &number, *bytes);
    }
    return (int)call_result(error);
}

/* --- Other forms of recv() and send() --- */

ssize_t recvfrom(int fd, void *restrict buffer, size_t bytes, int flags,
                 struct sockaddr *restrict address, socklen_t *restrict address_bytes)
{
    if (address != NULL && getpeername(fd, address, address_bytes) != 0) {
        return -1;
    }
    return recv(fd, buffer, bytes, flags);
}

ssize_t sendto(int fd, const void *data, size_t bytes, int flags, const struct sockaddr *address,
               socklen_t address_bytes)
{
    (void)address_bytes;
    if (address != NULL) {
        return call_result(-EISCONN);
    }
    return send(fd, data, bytes, flags);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    ssize_t total = 0;

    for (size_t i = 0; i < message->msg_iovlen; i++) {
        const struct iovec *piece = &message->msg_iov[i];
        ssize_t sent = send(fd, piece->iov_base, piece->iov_len, flags);
        if (sent < 0) {
            return total > 0 ? total : -1;
        }
        total += sent;
        if ((size_t)sent < piece->iov_len) {
            break;
        }
    }
    return total;
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
    ssize_t total = 0;

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
