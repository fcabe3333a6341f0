/* SPDX-License-Identifier: MIT */
/*
 * Socket objects, and the calls that make one, let it listen and accept.
 */
#include "libc/posix/socket.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "kernel/log.h"
#include "kernel/platform.h"
#include "libc/posix/other_socket.h"
#include "net/address.h"
#include "net/counters.h"
#include "net/datagrams/group.h"
#include "net/datagrams/port.h"
#include "net/names/question.h"
#include "net/streams/listener.h"
#include "net/streams/stream.h"

_Static_assert(STREAM_CAN_READ == READY_IN && STREAM_CAN_WRITE == READY_OUT &&
                   STREAM_HAS_FAILED == READY_ERROR && STREAM_HAS_ENDED == READY_HANGUP &&
                   STREAM_PEER_HAS_CLOSED == READY_PEER_HANGUP,
               "readiness passes unchanged");

_Static_assert(offsetof(struct socket, place) == 0, "it is a pool's");

POOL(sockets, "socket", struct socket, DESCRIPTOR_MAX); /* every accepted connection takes one */

/* With what the program names it by, and who watches it. */
static void expect_socket(void *owner, enum expect_step step)
{
    const struct socket *socket = owner;

    if (step == EXPECT_OWNER) {
        expect_bytes(socket, sizeof(*socket));
    } else {
        __builtin_prefetch(socket->descriptor.epoll_items, 1);
        descriptor_expect(socket->descriptor.fd);
    }
}

void sockets_start(void)
{
    streams_start();
    datagrams_start();
    groups_of_application_start();
    names_start();
    streams_register_expecter(expect_socket);
    address_start(); /* programs may want to know it once they run */
}

node_id_t socket_server(int fd)
{
    int error;
    const struct socket *socket = socket_get_connected(fd, &error);

    return socket != NULL ? stream_server(socket->stream) : NODE_NONE;
}

/* --- Objects --- */

/* What a connected one never has, so that no new one needs to be cleared of it. */
static bool is_unused(const struct socket *socket)
{
    return socket->listener == NULL && socket->address.s_addr == 0 && socket->port == 0 &&
           socket->defer_s == 0 && socket->server_and_one == 0 && !socket->shares_address &&
           !socket->shares_port;
}

/* Nobody waits for one that was released. Its stream is the caller's to set. */
static struct socket *create_socket(const struct descriptor_operations *operations,
                                    bool is_nonblocking)
{
    struct socket *socket = pool_take(&sockets);

    if (socket == NULL) {
        return NULL;
    }
    ASSERT_SLOW(socket->descriptor.waiters == NULL && socket->descriptor.epoll_items == NULL);
    socket->descriptor.operations = operations;
    socket->descriptor.fd = -1;
    socket->descriptor.is_nonblocking = is_nonblocking;
    socket->is_linger_zero = false;
    socket->has_timeouts = false;
    ASSERT_SLOW(is_unused(socket));
    return socket;
}

void socket_release(struct socket *socket)
{
    ASSERT_SLOW(socket->descriptor.fd < 0);
    ASSERT_SLOW(socket->descriptor.waiters == NULL);
    ASSERT_SLOW(socket->descriptor.epoll_items == NULL);
    ASSERT_SLOW(is_unused(socket));
    pool_release(&sockets, socket);
}

/* One that may have been more than connected. */
void socket_clear(struct socket *socket)
{
    socket->listener = NULL;
    socket->address.s_addr = 0;
    socket->port = 0;
    socket->defer_s = 0;
    socket->server_and_one = 0;
    socket->shares_address = socket->shares_port = false;
}

/* All in one: each connection ends by it. */
__attribute__((flatten)) static void close_connected(struct descriptor *descriptor)
{
    struct socket *socket = socket_of(descriptor);

    stream_close(socket->stream, socket->is_linger_zero ? CLOSE_ABORT : CLOSE_BOTH);
    socket_release(socket);
}

static unsigned readiness_of_connected(const struct descriptor *descriptor)
{
    return stream_readiness(CONTAINER_OF(descriptor, struct socket, descriptor)->stream);
}

static ssize_t read_connected(struct descriptor *descriptor, void *buffer, size_t bytes)
{
    return socket_receive(socket_of(descriptor), buffer, bytes, 0);
}

static ssize_t write_connected(struct descriptor *descriptor, const struct iovec *pieces,
                               size_t count, size_t bytes)
{
    (void)count;
    return socket_send(socket_of(descriptor), pieces, bytes, 0);
}

const struct descriptor_operations connected_operations = {
    .readiness = readiness_of_connected,
    .read = read_connected,
    .write = write_connected,
    .close = close_connected,
};

static void close_socket(struct descriptor *descriptor)
{
    struct socket *socket = socket_of(descriptor);

    if (socket->listener != NULL) {
        stream_listener_close(socket->listener);
        log_debug("socket", "listening on port %u no more", socket->port);
    }
    socket_clear(socket);
    socket_release(socket);
}

static unsigned readiness_of_socket(const struct descriptor *descriptor)
{
    const struct socket *socket = CONTAINER_OF(descriptor, struct socket, descriptor);

    if (socket->listener == NULL) {
        return READY_HANGUP | READY_OUT; /* as on Linux */
    }
    return stream_listener_is_ready(socket->listener) ? READY_IN : 0;
}

static void claim_for_socket(struct descriptor *descriptor)
{
    struct socket *socket = socket_of(descriptor);

    if (socket->listener != NULL) {
        stream_listener_claim(socket->listener);
    }
}

static ssize_t read_socket(struct descriptor *descriptor, void *buffer, size_t bytes)
{
    (void)descriptor;
    (void)buffer;
    (void)bytes;
    return -ENOTCONN;
}

static ssize_t write_socket(struct descriptor *descriptor, const struct iovec *pieces, size_t count,
                            size_t bytes)
{
    (void)descriptor;
    (void)pieces;
    (void)count;
    (void)bytes;
    return -ENOTCONN;
}

const struct descriptor_operations socket_operations = {
    .readiness = readiness_of_socket,
    .claim = claim_for_socket,
    .read = read_socket,
    .write = write_socket,
    .close = close_socket,
};

struct socket *socket_get(int fd, int *error)
{
    struct descriptor *descriptor = descriptor_get(fd);

    *error = 0;
    if (descriptor == NULL) {
        *error = -EBADF;
    } else if (descriptor->operations == &socket_operations ||
               descriptor->operations == &connected_operations ||
               descriptor->operations == &connecting_operations) {
        return socket_of(descriptor);
    } else if (descriptor->operations->socket_calls != NULL) {
        *error = -EOPNOTSUPP;
    } else {
        *error = -ENOTSOCK;
    }
    return NULL;
}

int socket_why_not_connected(int fd)
{
    int error;

    return socket_get(fd, &error) == NULL ? error : -ENOTCONN;
}

static __attribute__((noinline)) int why_not_unconnected(int fd)
{
    int error;

    return socket_get(fd, &error) == NULL ? error : -EINVAL;
}

static inline struct socket *get_unconnected(int fd, int *error)
{
    struct descriptor *descriptor = descriptor_get(fd);

    if (LIKELY(descriptor != NULL && descriptor->operations == &socket_operations &&
               socket_of(descriptor)->stream == NULL)) {
        return socket_of(descriptor);
    }
    *error = why_not_unconnected(fd);
    return NULL;
}

struct socket *socket_get_unconnected(int fd, int *error)
{
    return get_unconnected(fd, error);
}

/* --- socket(), listen() --- */

static int open_socket(int domain, int type, int protocol)
{
    int kind = type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (domain != AF_INET) {
        return -EAFNOSUPPORT;
    }
    if (kind == SOCK_DGRAM) {
        return datagram_socket_open(type, protocol);
    }
    if (kind != SOCK_STREAM || (protocol != 0 && protocol != IPPROTO_TCP)) {
        return -EPROTONOSUPPORT;
    }
    struct socket *socket = create_socket(&socket_operations, (type & SOCK_NONBLOCK) != 0);
    if (socket == NULL) {
        return -ENOMEM;
    }
    socket->stream = NULL;
    int fd = descriptor_open(&socket->descriptor);
    if (fd < 0) {
        socket_release(socket);
    }
    return fd;
}

int socket(int domain, int type, int protocol)
{
    return (int)call_result(open_socket(domain, type, protocol));
}

/* There is something to claim: at once if a thread is blocked in a call that waits for it, else
 * when the next such call asks. */
static void listener_changed(void *owner, enum stream_listener_event event)
{
    struct socket *socket = owner;

    if (event == LISTENER_CLAIMABLE && descriptor_is_awaited(&socket->descriptor, READY_IN)) {
        stream_listener_claim(socket->listener);
    } else {
        descriptor_notify(&socket->descriptor, READY_IN);
    }
}

static int start_listening(struct socket *socket, int backlog)
{
    uint32_t wanted = backlog < 1 ? 1 : backlog < SOMAXCONN ? (uint32_t)backlog : SOMAXCONN;

    if (socket->listener != NULL) {
        stream_listener_set_backlog(socket->listener, wanted);
        return 0;
    }
    if (socket->port == 0) {
        return -EINVAL; /* a port chosen by us could be found by no client */
    }
    ASSERT(socket->stream == NULL);
    if (socket_is_port_in_use(socket, socket->address.s_addr, socket->port)) {
        return -EADDRINUSE;
    }
    int error =
        stream_listener_open(socket->port, wanted, listener_changed, socket, &socket->listener);
    if (error == 0) {
        stream_listener_set_defer(socket->listener, socket->defer_s * NS_PER_S);
        log_debug("socket", "listening on port %u, backlog %u", socket->port, wanted);
    }
    return error;
}

int listen(int fd, int backlog)
{
    int error;
    struct socket *socket = get_unconnected(fd, &error);

    return (int)call_result(socket != NULL ? start_listening(socket, backlog) : error);
}

/* --- accept() --- */

static void stream_changed(void *owner, unsigned readiness)
{
    descriptor_notify(&((struct socket *)owner)->descriptor, readiness);
}

static int accept_connection(struct stream_listener *listener, int flags, struct flow *flow)
{
    struct socket *socket = create_socket(&connected_operations, (flags & SOCK_NONBLOCK) != 0);

    if (socket == NULL) {
        return -ENOMEM;
    }
    int fd = descriptor_open(&socket->descriptor);
    if (fd < 0) {
        socket_release(socket);
        return fd;
    }
    ASSERT(socket->listener == NULL);
    socket->stream = stream_listener_take(listener, stream_changed, socket);
    *flow = *stream_flow(socket->stream);
    counter_increment(COUNTER_SOCKETS_ACCEPTED);
    return fd;
}

static int wait_and_accept(int fd, int flags, struct flow *flow)
{
    int error;
    struct socket *socket = get_unconnected(fd, &error);

    if (socket == NULL) {
        return error;
    }
    if (socket->listener == NULL) {
        return -EINVAL;
    }
    for (;;) {
        stream_listener_claim(socket->listener);
        if (stream_listener_is_ready(socket->listener)) {
            return accept_connection(socket->listener, flags, flow);
        }
        error = descriptor_wait_or_again(&socket->descriptor, READY_IN, 0,
                                         socket_deadline(socket, READY_IN));
        if (error != 0) {
            return error;
        }
    }
}

/* --- Addresses --- */

/* Write an IPv4 address and port (network byte order) as accept() and its like do: cut to *bytes,
 * which then tells the length it has. */
static void store_address(uint32_t address, uint16_t port, struct sockaddr *result,
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

int accept4(int fd, struct sockaddr *restrict address, socklen_t *restrict bytes, int flags)
{
    struct flow flow = {0};
    int accepted = (flags & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)) != 0
                       ? -EINVAL
                       : wait_and_accept(fd, flags, &flow);

    if (accepted >= 0 && address != NULL) {
        store_address(flow.remote_address, flow.remote_port, address, bytes);
    }
    return (int)call_result(accepted);
}

int accept(int fd, struct sockaddr *restrict address, socklen_t *restrict bytes)
{
    return accept4(fd, address, bytes, 0);
}

int getsockname(int fd, struct sockaddr *restrict address, socklen_t *restrict bytes)
{
    struct descriptor *other = other_socket(fd);

    if (other != NULL) {
        return other_name(other, false, address, bytes);
    }
    int error;
    const struct socket *socket = socket_get(fd, &error);

    if (socket == NULL) {
        return (int)call_result(error);
    }
    if (socket->descriptor.operations != &connected_operations) {
        store_address(socket->address.s_addr, htons(socket->port), address, bytes);
    } else {
        const struct flow *flow = stream_flow(socket->stream);
        store_address(flow->local_address, flow->local_port, address, bytes);
    }
    return 0;
}

int getpeername(int fd, struct sockaddr *restrict address, socklen_t *restrict bytes)
{
    struct descriptor *other = other_socket(fd);

    if (other != NULL) {
        return other_name(other, true, address, bytes);
    }
    int error;
    const struct socket *socket = socket_get_connected(fd, &error);

    if (socket == NULL) {
        return (int)call_result(error);
    }
    const struct flow *flow = stream_flow(socket->stream);
    store_address(flow->remote_address, flow->remote_port, address, bytes);
    return 0;
}
