/* SPDX-License-Identifier: MIT */
/*
 * bind(): a port to listen on, or to connect from, looked at again by listen(). It is this
 * program's alone unless it says otherwise, as on Linux (inet_csk_bind_conflict()); of programs on
 * other nodes nothing is known.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "libc/posix/other_socket.h"
#include "libc/posix/socket.h"

struct wanted {
    const struct socket *by;
    uint32_t address;
    uint16_t port;
    bool is_in_use;
};

static bool has_name(const struct descriptor *descriptor)
{
    return descriptor->operations == &socket_operations ||
           descriptor->operations == &connecting_operations;
}

static void look_at(struct descriptor *descriptor, void *context)
{
    const struct socket *other = socket_of(descriptor);
    struct wanted *wanted = context;
    const struct socket *socket = wanted->by;

    if (!has_name(descriptor) || other == socket || other->port != wanted->port ||
        (other->address.s_addr != wanted->address && other->address.s_addr != 0 &&
         wanted->address != 0)) {
        return;
    }
    wanted->is_in_use |=
        !(socket->shares_port && other->shares_port) &&
        !(socket->shares_address && other->shares_address && other->listener == NULL);
}

bool socket_is_port_in_use(const struct socket *socket, uint32_t address, uint16_t port)
{
    struct wanted wanted = {.by = socket, .address = address, .port = port};

    if (port != 0) {
        descriptor_for_each(look_at, &wanted);
    }
    return wanted.is_in_use;
}

static int bind_socket(struct socket *socket, const struct sockaddr_in *name)
{
    uint16_t port = ntohs(name->sin_port);

    if (socket_is_port_in_use(socket, name->sin_addr.s_addr, port)) {
        return -EADDRINUSE;
    }
    /* Listening is for the whole machine: an address of its own would name the same. Port 0: the
     * transport server chooses one, when the socket is connected. */
    socket->address = name->sin_addr;
    socket->port = port;
    return 0;
}

int bind(int fd, const struct sockaddr *address, socklen_t bytes)
{
    struct descriptor *other = other_socket(fd);

    if (other != NULL) {
        return other_bind(other, address, bytes);
    }
    int error;
    struct socket *socket = socket_get_unconnected(fd, &error);
    struct sockaddr_in name;

    if (socket == NULL) {
        return (int)call_result(error);
    }
    if (socket->port != 0 || bytes < sizeof(name)) {
        return (int)call_result(-EINVAL);
    }
    memcpy(&name, address, sizeof(name));
    if (name.sin_family != AF_INET) {
        return (int)call_result(-EAFNOSUPPORT);
    }
    return (int)call_result(bind_socket(socket, &name));
}
