/* SPDX-License-Identifier: MIT */
/*
 * Sockets that are not TCP's: UDP's, and the two ends of socketpair(). The calls of <sys/socket.h>
 * find this table in their descriptor's operations. All of them return a negative errno for an
 * error; a NULL is -EOPNOTSUPP.
 */
#pragma once

#include <sys/socket.h>

#include "libc/posix/descriptor.h"

struct socket_calls {
    int type; /* SOCK_... */
    int (*bind)(struct descriptor *socket, const struct sockaddr *address, socklen_t bytes);
    int (*connect)(struct descriptor *socket, const struct sockaddr *address, socklen_t bytes);
    /* All forms of recv() and send(): `bytes` is what the pieces are long in all, of which send()
     * does not ask how many there are. receive() fills in the message's name, control data and
     * flags. */
    ssize_t (*receive)(struct descriptor *socket, struct msghdr *message, size_t bytes, int flags);
    ssize_t (*send)(struct descriptor *socket, const struct msghdr *message, size_t bytes,
                    int flags);
    int (*shutdown)(struct descriptor *socket, int how);
    int (*name)(struct descriptor *socket, bool is_peers, struct sockaddr *address,
                socklen_t *bytes);
    int (*set_option)(struct descriptor *socket, int level, int option, const void *value,
                      socklen_t bytes);
    /* SO_RCVTIMEO as it was set, in nanoseconds; NULL: there is no such option. */
    uint64_t (*timeout_ns)(const struct descriptor *socket);
    /* An option that is a number. */
    int (*take_option)(struct descriptor *socket, int level, int option, int *number);
};

/* The descriptor if it is such a socket, else NULL. */
static inline struct descriptor *other_socket(int fd)
{
    struct descriptor *descriptor = descriptor_get(fd);

    return descriptor != NULL && descriptor->operations->socket_calls != NULL ? descriptor : NULL;
}

/* The calls for such a socket; they return -1 and errno. */
int other_bind(struct descriptor *socket, const struct sockaddr *address, socklen_t bytes);
int other_connect(struct descriptor *socket, const struct sockaddr *address, socklen_t bytes);
ssize_t other_receive(struct descriptor *socket, struct msghdr *message, int flags);
ssize_t other_receive_from(struct descriptor *socket, void *buffer, size_t bytes, int flags,
                           struct sockaddr *address, socklen_t *address_bytes);
/* The message, or, if that is NULL, the pieces alone. */
ssize_t other_send(struct descriptor *socket, const struct msghdr *message,
                   const struct iovec *pieces, size_t bytes, int flags);
ssize_t other_send_to(struct descriptor *socket, const void *data, size_t bytes, int flags,
                      const struct sockaddr *address, socklen_t address_bytes);
int other_shutdown(struct descriptor *socket, int how);
int other_name(struct descriptor *socket, bool is_peers, struct sockaddr *address,
               socklen_t *bytes);
int other_set_option(struct descriptor *socket, int level, int option, const void *value,
                     socklen_t bytes);
/* -errno; what every such socket answers alike, and then its own. */
int other_take_option(struct descriptor *socket, int level, int option, int *number);

/* Copy of an address what there is room for, and tell how long it is. */
void other_store_address(const void *from, socklen_t from_bytes, struct sockaddr *address,
                         socklen_t *bytes);

/* read() and write() of such a socket, for its operations. */
ssize_t other_read(struct descriptor *socket, void *buffer, size_t bytes);
ssize_t other_write(struct descriptor *socket, const struct iovec *pieces, size_t count,
                    size_t bytes);

/* socket() of type SOCK_DGRAM: a descriptor's number or -errno. */
int datagram_socket_open(int type, int protocol);
