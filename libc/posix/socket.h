/* SPDX-License-Identifier: MIT */
/*
 * Sockets: what a descriptor of socket() or accept() stands for. A socket refers to a listener
 * from listen() on, or to a stream from connect() on or if it came from accept(); never to both.
 * Listeners and streams know nothing of descriptors.
 *
 * For the sources of the socket calls: socket.c, socket_bind.c, socket_connect.c, socket_options.c,
 * socket_transfer.c, socket_splice.c.
 */
#pragma once

#include <netinet/in.h>

#include "libc/core/pool.h"
#include "libc/posix/descriptor.h"

struct stream;
struct stream_listener;

struct socket {
    struct pool_object place;
    struct descriptor descriptor;
    struct stream_listener *listener; /* NULL: does not listen */
    struct stream *stream;            /* NULL: is not connected, nor about to be */
    struct in_addr address;           /* as given to bind(); 0: any */
    uint16_t port;                    /* machine's order; 0: not bound */
    bool shares_address, shares_port; /* SO_REUSEADDR, SO_REUSEPORT, before it is connected */
    bool is_linger_zero;              /* SO_LINGER with time 0: close() resets */
    bool has_timeouts;                /* else the two behind it are undefined */
    uint32_t receive_timeout_ms;      /* SO_RCVTIMEO, for accept() too; 0: none */
    uint32_t send_timeout_ms;         /* SO_SNDTIMEO, for connect() too; 0: none */
    uint32_t defer_s;                 /* TCP_DEFER_ACCEPT */
    node_id_t server_and_one;         /* SO_INCOMING_CPU before connect(); 0: not set */
};

/* Register what an application receives. On its node, before the application is started. */
void sockets_start(void);

/* Those of a socket that is connected; that is about to be, or has failed to; and of any other. */
extern const struct descriptor_operations connected_operations;
extern const struct descriptor_operations connecting_operations;
extern const struct descriptor_operations socket_operations;

static inline struct socket *socket_of(struct descriptor *descriptor)
{
    return CONTAINER_OF(descriptor, struct socket, descriptor);
}

/* The transport server that has its connection; NODE_NONE if there is none. */
node_id_t socket_server(int fd);
/* The error of socket_get_connected(). */
int socket_why_not_connected(int fd);

/* The socket under an fd; else NULL, and *error is -EBADF or -ENOTSOCK. */
struct socket *socket_get(int fd, int *error);
/* The same if it has neither a connection nor is about to have one; else *error may also be
 * -EINVAL. */
struct socket *socket_get_unconnected(int fd, int *error);
/* The same if it is connected; else *error may also be -ENOTCONN. */
static inline struct socket *socket_get_connected(int fd, int *error)
{
    struct descriptor *descriptor = descriptor_get(fd);

    if (LIKELY(descriptor != NULL && descriptor->operations == &connected_operations)) {
        return socket_of(descriptor);
    }
    *error = socket_why_not_connected(fd);
    return NULL;
}

/*
 * The same of one that is about to be connected, after a wait for that; if it has failed to, the
 * first call of stream.h tells why. Else *error may also be -EAGAIN (it must not wait), or -EBADF
 * (closed meanwhile).
 */
struct socket *socket_get_sooner_or_later(int fd, int flags, int *error);
/* The wait alone: 0, or these errors. */
MUST_CHECK int socket_await_connection(struct socket *socket, int flags);

/* socket_bind.c: whether another socket of this program keeps this one from that port. */
bool socket_is_port_in_use(const struct socket *socket, uint32_t address, uint16_t port);

/* socket_options.c: when a wait that begins now for READY_IN, or for READY_OUT, is over. */
uint64_t socket_deadline(const struct socket *socket, unsigned events);

/* socket.c's: let go of one that nobody has under a number; what it was before it was connected. */
void socket_release(struct socket *socket);
void socket_clear(struct socket *socket);

/* recv() and send() on a connected socket: how many bytes, or a negative errno. */
ssize_t socket_receive(struct socket *socket, void *buffer, size_t bytes, int flags);
/* The pieces have so many bytes in all. */
ssize_t socket_send(struct socket *socket, const struct iovec *pieces, size_t bytes, int flags);

/* SO_SPLICE, as on OpenBSD: 0, or a negative errno; and what has gone by the last one. */
int socket_splice(struct socket *source, const void *value, size_t bytes);
off_t socket_spliced_bytes(const struct socket *source);
