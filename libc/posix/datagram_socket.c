/* SPDX-License-Identifier: MIT */
/*
 * UDP sockets: objects, their addresses and their peers. A socket has one port, and a port one
 * socket on the whole machine.
 */
#include "libc/posix/datagram_socket.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "kernel/platform.h"
#include "libc/core/memory.h"
#include "libc/posix/other_socket.h"
#include "net/address.h"
#include "net/datagrams/port.h"
#include "net/messages.h"

MEMORY_KIND(socket_kind, "datagram_socket");

/* --- Addresses, in network byte order --- */

uint32_t datagram_own_address(void)
{
    return address_current()->address;
}

static bool is_group(uint32_t address)
{
    return IN_MULTICAST(ntohl(address));
}

static bool is_broadcast(uint32_t address)
{
    const struct address_set *own = address_current();

    return address == INADDR_BROADCAST ||
           (own->netmask != 0 && ((address ^ own->address) & own->netmask) == 0 &&
            (address | own->netmask) == UINT32_MAX && own->netmask != UINT32_MAX);
}

static bool is_loopback(uint32_t address)
{
    return (uint8_t)address == 127;
}

int datagram_check_destination(const struct datagram_socket *socket, uint32_t *address)
{
    const struct address_set *own = address_current();

    if (*address == INADDR_ANY || is_loopback(*address)) {
        *address = own->address;
    }
    if (own->address == 0 || *address == 0) {
        return -ENETUNREACH;
    }
    if (*address == own->address) {
        return 0;
    }
    if (is_broadcast(*address)) {
        return socket->is_broadcast_allowed ? 0 : -EACCES;
    }
    bool is_on_link = ((*address ^ own->address) & own->netmask) == 0;
    uint8_t first_byte = (uint8_t)*address;
    if (first_byte == 0 || first_byte >= 240 ||
        (!is_on_link && !is_group(*address) && own->gateway == 0)) {
        return -ENETUNREACH;
    }
    return 0;
}

/* Of the calls that take one. */
static int read_address(const struct sockaddr *address, socklen_t bytes, struct sockaddr_in *result)
{
    if (bytes < sizeof(*result)) {
        return -EINVAL;
    }
    memcpy(result, address, sizeof(*result));
    return result->sin_family == AF_INET ? 0 : -EAFNOSUPPORT;
}

/* --- What the port tells --- */

static void port_settled(void *owner, int error)
{
    struct datagram_socket *socket = owner;

    if (error != 0) {
        socket->port = NULL;
        socket->error = error;
    }
    descriptor_notify(&socket->descriptor, READY_OUT);
}

/* Whether it came to the address to which the socket is bound. To one of loopback only this machine
 * sends, from its own address to that. */
static bool is_bound_there(const struct datagram_socket *socket,
                           const struct datagram_arrived *datagram)
{
    uint32_t own = datagram_own_address();

    if (is_loopback(socket->address)) {
        return datagram->local_address == own && datagram->remote_address == own;
    }
    return socket->address == 0 || socket->address == datagram->local_address;
}

/* Of what is sent to a group, as on Linux, also that to one which another socket is in. */
static bool is_of_its_groups(const struct datagram_socket *socket, uint32_t address)
{
    return !is_group(address) || socket->is_group_of_others || datagram_groups_has(socket, address);
}

static bool is_wanted(const struct datagram_socket *socket, const struct datagram_arrived *datagram)
{
    return datagram_port_is_bound(socket->port) && !socket->is_read_shut &&
           is_bound_there(socket, datagram) && is_of_its_groups(socket, datagram->local_address) &&
           (socket->peer_port == 0 || (socket->peer_port == datagram->remote_port &&
                                       socket->peer_address == datagram->remote_address));
}

static void datagram_arrived(void *owner, const struct datagram_arrived *datagram,
                             struct message_payload payload)
{
    struct datagram_socket *socket = owner;

    if (is_wanted(socket, datagram)) {
        datagram_queue_put(socket, datagram, &payload);
    }
}

/* Only who is connected learns of it, as on Linux: else it could be about anybody. */
static void datagram_refused(void *owner, uint32_t remote_address, uint16_t remote_port)
{
    struct datagram_socket *socket = owner;

    if (socket->peer_port != 0 && socket->peer_port == remote_port &&
        socket->peer_address == remote_address) {
        socket->error = -ECONNREFUSED;
        descriptor_notify(&socket->descriptor, READY_IN | READY_OUT | READY_ERROR);
    }
}

static const struct datagram_functions port_functions = {
    .settled = port_settled,
    .arrived = datagram_arrived,
    .refused = datagram_refused,
};

/* --- bind() and connect() --- */

static int wait_until_settled(struct datagram_socket *socket)
{
    while (socket->port != NULL && !datagram_port_is_bound(socket->port)) {
        int error = descriptor_wait(&socket->descriptor, READY_OUT, UINT64_MAX);
        if (error != 0) {
            return error;
        }
    }
    if (socket->port != NULL) {
        return 0;
    }
    /* Of several threads that wait, one is told why. */
    int error = socket->error != 0 ? socket->error : -EADDRINUSE;
    socket->error = 0;
    return error;
}

int datagram_socket_bind(struct datagram_socket *socket, uint16_t number)
{
    int error = 0;

    if (socket->port == NULL) {
        socket->port = datagram_port_open(number, &port_functions, socket, &error);
        if (socket->port == NULL) {
            return error;
        }
    }
    return wait_until_settled(socket);
}

static int bind_datagram(struct descriptor *descriptor, const struct sockaddr *address,
                         socklen_t bytes)
{
    struct datagram_socket *socket = datagram_socket_of(descriptor);
    struct sockaddr_in wanted;
    int error = read_address(address, bytes, &wanted);

    if (error != 0) {
        return error;
    }
    if (socket->port != NULL) {
        return -EINVAL;
    }
    uint32_t own = wanted.sin_addr.s_addr;
    if (own != INADDR_ANY && own != datagram_own_address() && !is_broadcast(own) &&
        !is_loopback(own) && !is_group(own)) {
        return -EADDRNOTAVAIL;
    }
    socket->address = own;
    error = datagram_socket_bind(socket, ntohs(wanted.sin_port));
    if (error == -EBADF) {
        return error; /* closed meanwhile: the socket is gone */
    }
    socket->is_port_named = error == 0 && wanted.sin_port != 0;
    if (error != 0) {
        socket->address = 0;
    }
    return error;
}

/* As on Linux a port that was chosen goes with the peer. */
static void disconnect(struct datagram_socket *socket)
{
    socket->peer_port = 0;
    if (socket->port != NULL && !socket->is_port_named) {
        datagram_port_close(socket->port);
        socket->port = NULL;
        descriptor_notify(&socket->descriptor, READY_OUT);
    }
}

static int connect_datagram(struct descriptor *descriptor, const struct sockaddr *address,
                            socklen_t bytes)
{
    struct datagram_socket *socket = datagram_socket_of(descriptor);
    struct sockaddr_in peer;
    sa_family_t family;

    if (bytes < sizeof(family)) {
        return -EINVAL;
    }
    memcpy(&family, address, sizeof(family));
    if (family == AF_UNSPEC) {
        disconnect(socket);
        return 0;
    }
    int error = read_address(address, bytes, &peer);
    if (error != 0) {
        return error;
    }
    uint32_t peer_address = peer.sin_addr.s_addr;
    error = datagram_check_destination(socket, &peer_address);
    if (error == 0) {
        error = datagram_socket_bind(socket, 0);
    }
    if (error == 0) {
        socket->peer_address = peer_address;
        socket->peer_port = ntohs(peer.sin_port);
    }
    return error;
}

static int name_datagram(struct descriptor *descriptor, bool is_peers, struct sockaddr *address,
                         socklen_t *bytes)
{
    const struct datagram_socket *socket = datagram_socket_of(descriptor);
    struct sockaddr_in name = {.sin_family = AF_INET};

    if (is_peers) {
        if (socket->peer_port == 0) {
            return -ENOTCONN;
        }
        name.sin_addr.s_addr = socket->peer_address;
        name.sin_port = htons(socket->peer_port);
    } else if (socket->port != NULL) {
        /* Who has a peer is told which of our addresses it sees. */
        name.sin_addr.s_addr = socket->address != 0 || socket->peer_port == 0
                                   ? socket->address
                                   : datagram_own_address();
        name.sin_port = htons(datagram_port_number(socket->port));
    }
    other_store_address(&name, sizeof(name), address, bytes);
    return 0;
}

static int shut_datagram(struct descriptor *descriptor, int how)
{
    struct datagram_socket *socket = datagram_socket_of(descriptor);

    if (socket->peer_port == 0) {
        return -ENOTCONN;
    }
    if (how != SHUT_WR) {
        socket->is_read_shut = true;
    }
    if (how != SHUT_RD) {
        socket->is_write_shut = true;
    }
    descriptor_notify(descriptor, READY_IN | READY_OUT | READY_HANGUP | READY_PEER_HANGUP);
    return 0;
}

/* --- The descriptor --- */

static unsigned readiness_of_datagram(const struct descriptor *descriptor)
{
    const struct datagram_socket *socket = datagram_socket_of(descriptor);
    unsigned ready = READY_OUT;

    if (socket->first != NULL || socket->is_read_shut) {
        ready |= READY_IN;
    }
    if (socket->is_read_shut) {
        ready |= READY_PEER_HANGUP | (socket->is_write_shut ? READY_HANGUP : 0);
    }
    return ready | (socket->error != 0 ? READY_ERROR : 0);
}

static void close_datagram(struct descriptor *descriptor)
{
    struct datagram_socket *socket = datagram_socket_of(descriptor);

    if (socket->port != NULL) {
        datagram_port_close(socket->port);
    }
    datagram_groups_leave(socket);
    datagram_queue_empty(socket);
    memory_release(&socket_kind, socket);
}

static const struct socket_calls datagram_calls = {
    .type = SOCK_DGRAM,
    .bind = bind_datagram,
    .connect = connect_datagram,
    .receive = datagram_receive,
    .send = datagram_send_message,
    .shutdown = shut_datagram,
    .name = name_datagram,
    .set_option = datagram_set_option,
    .take_option = datagram_take_option,
    .timeout_ns = datagram_timeout_ns,
};

static const struct descriptor_operations datagram_operations = {
    .readiness = readiness_of_datagram,
    .read = other_read,
    .write = other_write,
    .close = close_datagram,
    .socket_calls = &datagram_calls,
};

int datagram_socket_open(int type, int protocol)
{
    if (protocol != 0 && protocol != IPPROTO_UDP) {
        return -EPROTONOSUPPORT;
    }
    struct datagram_socket *socket = memory_allocate(&socket_kind, sizeof(*socket));
    if (socket == NULL) {
        return -ENOMEM;
    }
    *socket = (struct datagram_socket){.queue_limit_bytes = DATAGRAM_QUEUE_BYTES};
    datagram_groups_initialise(socket);
    descriptor_initialise(&socket->descriptor, &datagram_operations);
    socket->descriptor.is_nonblocking = (type & SOCK_NONBLOCK) != 0;
    int fd = descriptor_open(&socket->descriptor);
    if (fd < 0) {
        memory_release(&socket_kind, socket);
    }
    return fd;
}
