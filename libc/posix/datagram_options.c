/* SPDX-License-Identifier: MIT */
/*
 * setsockopt() and getsockopt() of UDP sockets.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "libc/posix/datagram_socket.h"
#include "libc/posix/socket_timeout.h"

static void set_queue_limit(struct datagram_socket *socket, int bytes)
{
    uint64_t wanted = 2ull * (unsigned)bytes;

    socket->queue_limit_bytes = wanted < DATAGRAM_QUEUE_MIN_BYTES   ? DATAGRAM_QUEUE_MIN_BYTES
                                : wanted < DATAGRAM_QUEUE_MAX_BYTES ? (size_t)wanted
                                                                    : DATAGRAM_QUEUE_MAX_BYTES;
}

static int set_socket_option(struct datagram_socket *socket, int option, int number)
{
    switch (option) {
    case SO_BROADCAST:
        socket->is_broadcast_allowed = number != 0;
        return 0;
    case SO_REUSEADDR:
        socket->is_reuse_wanted = number != 0;
        return 0;
    case SO_RCVBUF:
        set_queue_limit(socket, number);
        return 0;
    case SO_SNDBUF:
        return 0; /* nothing is kept of what is sent */
    default:
        return -ENOPROTOOPT;
    }
}

int datagram_set_option(struct descriptor *descriptor, int level, int option, const void *value,
                        socklen_t bytes)
{
    struct datagram_socket *socket = datagram_socket_of(descriptor);
    int number;

    if (level == SOL_SOCKET && option == SO_RCVTIMEO) {
        return socket_read_timeout(value, bytes, &socket->receive_timeout_ns);
    }
    if (level == IPPROTO_IP) {
        return datagram_set_ip_option(socket, option, value, bytes);
    }
    if (bytes < sizeof(number)) {
        return -EINVAL;
    }
    memcpy(&number, value, sizeof(number));
    return level == SOL_SOCKET ? set_socket_option(socket, option, number) : -ENOPROTOOPT;
}

int datagram_take_option(struct descriptor *descriptor, int level, int option, int *number)
{
    struct datagram_socket *socket = datagram_socket_of(descriptor);

    if (level == IPPROTO_IP) {
        return datagram_take_ip_option(socket, option, number);
    }
    if (level != SOL_SOCKET) {
        return -ENOPROTOOPT;
    }
    switch (option) {
    case SO_ERROR:
        *number = -socket->error;
        socket->error = 0;
        return 0;
    case SO_BROADCAST:
        *number = socket->is_broadcast_allowed;
        return 0;
    case SO_REUSEADDR:
        *number = socket->is_reuse_wanted;
        return 0;
    case SO_RCVBUF:
        *number = (int)socket->queue_limit_bytes;
        return 0;
    case SO_DOMAIN:
        *number = AF_INET;
        return 0;
    case SO_PROTOCOL:
        *number = IPPROTO_UDP;
        return 0;
    case SO_SNDBUF:
        *number = DATAGRAM_QUEUE_BYTES;
        return 0;
    default:
        return -ENOPROTOOPT;
    }
}

uint64_t datagram_timeout_ns(const struct descriptor *descriptor)
{
    return datagram_socket_of(descriptor)->receive_timeout_ns;
}
