/* SPDX-License-Identifier: MIT */
/*
 * Datagrams to and from UDP sockets. What has come waits in its socket's queue: bounded for each by
 * SO_RCVBUF, and for all by an eighth of the node's memory. What finds no room is lost and counted.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "libc/core/memory.h"
#include "libc/core/pages.h"
#include "libc/posix/datagram_socket.h"
#include "net/counters.h"
#include "net/datagrams/port.h"

#define MEMORY_SHARE 8u               /* of the node's */
#define RETRY_NS     (20 * NS_PER_US) /* a few rounds of the receiver. Chosen */

_Static_assert(offsetof(struct iovec, iov_base) == offsetof(struct datagram_piece, data) &&
                   offsetof(struct iovec, iov_len) == offsetof(struct datagram_piece, bytes) &&
                   sizeof(struct iovec) == sizeof(struct datagram_piece),
               "pieces pass unchanged");

struct datagram {
    struct datagram *next;
    uint32_t remote_address, local_address;
    uint16_t remote_port;
    uint16_t bytes;
    uint8_t data[];
};

MEMORY_KIND(datagram_kind, "datagram");

static size_t all_queued_bytes; /* of every socket of this node */

static size_t cost_of(size_t bytes)
{
    return sizeof(struct datagram) + bytes;
}

/* --- The queue --- */

void datagram_queue_put(struct datagram_socket *socket, const struct datagram_arrived *arrived,
                        const struct message_payload *payload)
{
    size_t cost = cost_of(payload->length_bytes);

    if (socket->queued_bytes + cost > socket->queue_limit_bytes ||
        all_queued_bytes + cost > pages_total_bytes() / MEMORY_SHARE) {
        counter_increment(COUNTER_DROP_RECEIVE_FULL);
        return;
    }
    struct datagram *datagram = memory_allocate(&datagram_kind, cost);
    if (datagram == NULL) {
        counter_increment(COUNTER_DROP_NO_MEMORY);
        return;
    }
    *datagram = (struct datagram){.remote_address = arrived->remote_address,
                                  .local_address = arrived->local_address,
                                  .remote_port = arrived->remote_port,
                                  .bytes = (uint16_t)payload->length_bytes};
    memcpy(datagram->data, payload->bytes, payload->length_bytes);
    if (socket->first == NULL) {
        socket->first = datagram;
    } else {
        socket->last->next = datagram;
    }
    socket->last = datagram;
    socket->queued_bytes += cost;
    all_queued_bytes += cost;
    descriptor_notify(&socket->descriptor, READY_IN);
}

static void drop_first(struct datagram_socket *socket)
{
    struct datagram *datagram = socket->first;

    socket->first = datagram->next;
    socket->queued_bytes -= cost_of(datagram->bytes);
    all_queued_bytes -= cost_of(datagram->bytes);
    memory_release(&datagram_kind, datagram);
}

void datagram_queue_empty(struct datagram_socket *socket)
{
    while (socket->first != NULL) {
        drop_first(socket);
    }
    ASSERT(socket->queued_bytes == 0);
}

/* --- Receiving --- */

static int take_error(struct datagram_socket *socket)
{
    int error = socket->error;

    socket->error = 0;
    return error;
}

/* 0: there is a datagram, or the socket is shut. */
static int await_datagram(struct datagram_socket *socket, int flags)
{
    uint64_t deadline_ns = socket->receive_timeout_ns != 0
                               ? platform_now_ns() + socket->receive_timeout_ns
                               : UINT64_MAX;

    for (;;) {
        int error = take_error(socket);
        if (error != 0 || socket->first != NULL || socket->is_read_shut) {
            return error;
        }
        error = descriptor_wait_or_again(&socket->descriptor, READY_IN, flags, deadline_ns);
        if (error != 0) {
            return error;
        }
    }
}

/* Into the pieces, as far as they reach. */
static size_t scatter(const struct datagram *datagram, const struct msghdr *message)
{
    size_t total = 0;

    for (size_t i = 0; i < message->msg_iovlen && total < datagram->bytes; i++) {
        const struct iovec *piece = &message->msg_iov[i];
        size_t left = datagram->bytes - total;
        size_t part = piece->iov_len < left ? piece->iov_len : left;

        if (part > 0) {
            memcpy(piece->iov_base, datagram->data + total, part);
        }
        total += part;
    }
    return total;
}

static void tell_sender(const struct datagram *datagram, struct msghdr *message)
{
    const struct sockaddr_in sender = {
        .sin_family = AF_INET,
        .sin_port = htons(datagram->remote_port),
        .sin_addr.s_addr = datagram->remote_address,
    };

    if (message->msg_name != NULL) {
        memcpy(message->msg_name, &sender,
               message->msg_namelen < sizeof(sender) ? message->msg_namelen : sizeof(sender));
        message->msg_namelen = sizeof(sender);
    }
}

/* IP_PKTINFO, if there is room for it. */
static void tell_destination(const struct datagram *datagram, struct msghdr *message)
{
    struct {
        struct cmsghdr header;
        struct in_pktinfo info;
    } control = {
        .header = {.cmsg_len = CMSG_LEN(sizeof(struct in_pktinfo)),
                   .cmsg_level = IPPROTO_IP,
                   .cmsg_type = IP_PKTINFO},
        .info = {.ipi_ifindex = INTERFACE_INDEX,
                 .ipi_spec_dst.s_addr = datagram_own_address(),
                 .ipi_addr.s_addr = datagram->local_address},
    };

    if (message->msg_control == NULL || message->msg_controllen < control.header.cmsg_len) {
        message->msg_controllen = 0;
        message->msg_flags |= MSG_CTRUNC;
        return;
    }
    memcpy(message->msg_control, &control, control.header.cmsg_len);
    if (message->msg_controllen > CMSG_SPACE(sizeof(control.info))) {
        message->msg_controllen = CMSG_SPACE(sizeof(control.info));
    }
}

ssize_t datagram_receive(struct descriptor *descriptor, struct msghdr *message, size_t bytes,
                         int flags)
{
    struct datagram_socket *socket = datagram_socket_of(descriptor);
    int error = await_datagram(socket, flags);

    if (error != 0) {
        return error;
    }
    message->msg_flags = 0;
    const struct datagram *datagram = socket->first;
    if (datagram == NULL) { /* shut */
        message->msg_namelen = 0;
        message->msg_controllen = 0;
        return 0;
    }
    size_t taken = scatter(datagram, message);
    if (datagram->bytes > bytes) {
        message->msg_flags |= MSG_TRUNC;
    }
    tell_sender(datagram, message);
    if (socket->is_info_wanted) {
        tell_destination(datagram, message);
    } else {
        message->msg_controllen = 0;
    }
    size_t told = (flags & MSG_TRUNC) != 0 ? datagram->bytes : taken;
    if ((flags & MSG_PEEK) == 0) {
        drop_first(socket);
    }
    return (ssize_t)told;
}

/* --- Sending --- */

/* Of control data we know IP_PKTINFO alone, which may name our address: there is no other. */
static int check_control(struct msghdr message)
{
    for (struct cmsghdr *control = CMSG_FIRSTHDR(&message); control != NULL;
         control = CMSG_NXTHDR(&message, control)) {
        struct in_pktinfo info;

        if (control->cmsg_level != IPPROTO_IP || control->cmsg_type != IP_PKTINFO ||
            control->cmsg_len != CMSG_LEN(sizeof(info)) ||
            (size_t)((uint8_t *)control - (uint8_t *)message.msg_control) + control->cmsg_len >
                message.msg_controllen) {
            return -EINVAL;
        }
        memcpy(&info, CMSG_DATA(control), sizeof(info));
        if (info.ipi_ifindex != 0 && info.ipi_ifindex != INTERFACE_INDEX) {
            return -ENODEV;
        }
        if (info.ipi_spec_dst.s_addr != 0 && info.ipi_spec_dst.s_addr != datagram_own_address()) {
            return -EINVAL;
        }
    }
    return 0;
}

static int find_destination(const struct datagram_socket *socket, const struct msghdr *message,
                            uint32_t *address, uint16_t *port)
{
    struct sockaddr_in named;

    if (message->msg_name == NULL || message->msg_namelen == 0) {
        *address = socket->peer_address;
        *port = socket->peer_port;
        return socket->peer_port != 0 ? 0 : -EDESTADDRREQ;
    }
    if (message->msg_namelen < sizeof(named)) {
        return -EINVAL;
    }
    memcpy(&named, message->msg_name, sizeof(named));
    if (named.sin_family != AF_INET && named.sin_family != AF_UNSPEC) {
        return -EAFNOSUPPORT;
    }
    *address = named.sin_addr.s_addr;
    *port = ntohs(named.sin_port);
    return *port != 0 ? datagram_check_destination(socket, address) : -EINVAL;
}

/* Room in a channel comes with the next rounds, or its node is declared dead. */
static ssize_t send_pieces(struct descriptor *descriptor, const struct msghdr *message,
                           size_t bytes, int flags, uint32_t address, uint16_t port)
{
    const struct datagram_socket *socket = datagram_socket_of(descriptor);
    const struct datagram_piece *pieces =
        (const struct datagram_piece *)(const void *)message->msg_iov;
    const struct datagram_way way = {.remote_address = address,
                                     .remote_port = port,
                                     .group_ttl = socket->group_ttl,
                                     .is_looped = socket->is_group_looped};

    while (socket->port != NULL) { /* else another thread has disconnected it */
        int error = datagram_send(socket->port, &way, pieces, bytes);
        if (error != -EAGAIN) {
            return error == 0 ? (ssize_t)bytes : error;
        }
        if (descriptor->is_nonblocking || (flags & MSG_DONTWAIT) != 0) {
            descriptor_yield_seldom();
            return -EAGAIN;
        }
        if (descriptor_wait(descriptor, READY_ERROR, platform_now_ns() + RETRY_NS) == -EBADF) {
            return -EBADF;
        }
    }
    return -EDESTADDRREQ;
}

ssize_t datagram_send_message(struct descriptor *descriptor, const struct msghdr *message,
                              size_t bytes, int flags)
{
    struct datagram_socket *socket = datagram_socket_of(descriptor);
    uint32_t address;
    uint16_t port;

    if (bytes > DATAGRAM_MAX_BYTES) {
        return -EMSGSIZE;
    }
    int error = find_destination(socket, message, &address, &port);
    if (error == 0 && message->msg_controllen > 0) {
        error = check_control(*message);
    }
    if (error == 0 && socket->is_write_shut) {
        error = -EPIPE;
    }
    if (error == 0) {
        error = take_error(socket);
    }
    if (error == 0) {
        error = datagram_socket_bind(socket, 0);
    }
    return error == 0 ? send_pieces(descriptor, message, bytes, flags, address, port) : error;
}
