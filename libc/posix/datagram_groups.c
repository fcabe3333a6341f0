/* SPDX-License-Identifier: MIT */
/*
 * UDP sockets in groups (RFC 1112), and the options of IP. The order in which errors are looked for
 * is Linux'.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "libc/core/memory.h"
#include "libc/posix/datagram_socket.h"
#include "net/datagrams/group.h"

/* Linux' net.ipv4.igmp_max_memberships. */
#define MEMBERSHIP_MAX 20u
/* RFC 1112 6.1: a group is asked for beyond the link on purpose only. */
#define GROUP_TTL      1

struct datagram_membership {
    struct datagram_membership *next;
    struct datagram_socket *socket;
    struct group_member member;
    uint32_t address, interface; /* as named */
    bool is_settled;
    int error; /* negative; of one that will not be */
};

MEMORY_KIND(membership_kind, "datagram_membership");

void datagram_groups_initialise(struct datagram_socket *socket)
{
    socket->group_ttl = GROUP_TTL;
    socket->is_group_looped = true;
    socket->is_group_of_others = true;
}

static struct datagram_membership **find_link(struct datagram_socket *socket, uint32_t address)
{
    struct datagram_membership **link = &socket->memberships;

    while (*link != NULL && (*link)->address != address) {
        link = &(*link)->next;
    }
    return link;
}

bool datagram_groups_has(const struct datagram_socket *socket, uint32_t address)
{
    const struct datagram_membership *membership = socket->memberships;

    while (membership != NULL && membership->address != address) {
        membership = membership->next;
    }
    return membership != NULL && membership->is_settled;
}

static void end_membership(struct datagram_membership **link)
{
    struct datagram_membership *membership = *link;

    *link = membership->next;
    if (membership->member.group != NULL) {
        group_leave(&membership->member);
    }
    memory_release(&membership_kind, membership);
}

void datagram_groups_leave(struct datagram_socket *socket)
{
    while (socket->memberships != NULL) {
        end_membership(&socket->memberships);
    }
}

/* --- Joining --- */

static void membership_settled(struct group_member *member, int error)
{
    struct datagram_membership *membership =
        CONTAINER_OF(member, struct datagram_membership, member);

    membership->is_settled = true;
    membership->error = error;
    descriptor_notify(&membership->socket->descriptor, READY_OUT);
}

/* The one interface there is, if that is what is asked for; without an address it has no way to
 * groups. */
static bool is_interface(const struct ip_mreqn *request)
{
    uint32_t own = datagram_own_address();

    if (request->imr_ifindex != 0) {
        return request->imr_ifindex == INTERFACE_INDEX;
    }
    return own != 0 &&
           (request->imr_address.s_addr == INADDR_ANY || request->imr_address.s_addr == own);
}

static unsigned count_memberships(const struct datagram_socket *socket)
{
    unsigned count = 0;

    for (const struct datagram_membership *one = socket->memberships; one != NULL;
         one = one->next) {
        count++;
    }
    return count;
}

/* Until it is settled it stays in the list: nobody else ends it but by closing the socket. */
static int wait_until_settled(struct datagram_socket *socket,
                              struct datagram_membership *membership)
{
    int error = 0;

    while (error == 0 && !membership->is_settled) {
        error = descriptor_wait(&socket->descriptor, READY_OUT, UINT64_MAX);
    }
    if (error == -EBADF) {
        return error; /* closed meanwhile: both are gone */
    }
    if (error == 0) {
        error = membership->error;
    }
    if (error != 0) {
        end_membership(find_link(socket, membership->address));
    }
    return error;
}

static int join(struct datagram_socket *socket, const struct ip_mreqn *request)
{
    struct datagram_membership *membership;
    uint32_t address = request->imr_multiaddr.s_addr;
    int error;

    if (!IN_MULTICAST(ntohl(address))) {
        return -EINVAL;
    }
    if (!is_interface(request)) {
        return -ENODEV;
    }
    if (*find_link(socket, address) != NULL) {
        return -EADDRINUSE;
    }
    if (count_memberships(socket) >= MEMBERSHIP_MAX) {
        return -ENOBUFS;
    }
    membership = memory_allocate(&membership_kind, sizeof(*membership));
    if (membership == NULL) {
        return -ENOBUFS;
    }
    *membership = (struct datagram_membership){
        .next = socket->memberships,
        .socket = socket,
        .member = {.settled = membership_settled},
        .address = address,
        .interface = request->imr_address.s_addr,
    };
    socket->memberships = membership;
    error = group_join(&membership->member, address);
    if (error != 0) {
        end_membership(find_link(socket, address));
        return error;
    }
    return wait_until_settled(socket, membership);
}

static int leave(struct datagram_socket *socket, const struct ip_mreqn *request)
{
    struct datagram_membership **link = find_link(socket, request->imr_multiaddr.s_addr);
    bool is_known = is_interface(request);

    if (!is_known && request->imr_ifindex == 0 && request->imr_address.s_addr == INADDR_ANY) {
        return -ENODEV;
    }
    if (*link == NULL || !(*link)->is_settled || request->imr_ifindex < 0 ||
        request->imr_ifindex > INTERFACE_INDEX ||
        (!is_known && request->imr_address.s_addr != (*link)->interface)) {
        return -EADDRNOTAVAIL;
    }
    end_membership(link);
    return 0;
}

/* --- Options --- */

/* Of the three structs that may name an interface, the one that fits; an address alone only where
 * `least` is so small. */
static int read_request(const void *value, socklen_t bytes, size_t least, struct ip_mreqn *request)
{
    *request = (struct ip_mreqn){0};
    if (bytes < least) {
        return -EINVAL;
    }
    if (bytes >= sizeof(*request)) {
        memcpy(request, value, sizeof(*request));
    } else if (bytes >= sizeof(struct ip_mreq)) {
        memcpy(request, value, sizeof(struct ip_mreq)); /* it is the beginning of the other */
    } else {
        memcpy(&request->imr_address, value, sizeof(request->imr_address));
    }
    return 0;
}

static int set_membership(struct datagram_socket *socket, bool is_join, const void *value,
                          socklen_t bytes)
{
    struct ip_mreqn request;
    int error = read_request(value, bytes, sizeof(struct ip_mreq), &request);

    if (error != 0) {
        return error;
    }
    return is_join ? join(socket, &request) : leave(socket, &request);
}

static int set_interface(struct datagram_socket *socket, const void *value, socklen_t bytes)
{
    struct ip_mreqn request;
    int error = read_request(value, bytes, sizeof(struct in_addr), &request);

    if (error != 0) {
        return error;
    }
    bool is_any = request.imr_ifindex == 0 && request.imr_address.s_addr == INADDR_ANY;
    if (!is_any && !is_interface(&request)) {
        return -EADDRNOTAVAIL;
    }
    socket->group_interface = request.imr_address.s_addr;
    return 0;
}

/* What else Linux reads as a number: a byte, where there is no room for an int. */
static int read_number(const void *value, socklen_t bytes)
{
    int number = 0;

    if (bytes >= sizeof(number)) {
        memcpy(&number, value, sizeof(number));
    } else if (bytes > 0) {
        number = *(const uint8_t *)value;
    }
    return number;
}

static int set_number(struct datagram_socket *socket, int option, int number)
{
    switch (option) {
    case IP_MULTICAST_TTL:
        if (number < -1 || number > UINT8_MAX) {
            return -EINVAL;
        }
        socket->group_ttl = number == -1 ? GROUP_TTL : (uint8_t)number;
        return 0;
    case IP_MULTICAST_LOOP:
        socket->is_group_looped = number != 0;
        return 0;
    case IP_MULTICAST_ALL:
        if (number != 0 && number != 1) {
            return -EINVAL;
        }
        socket->is_group_of_others = number != 0;
        return 0;
    default:
        return -ENOPROTOOPT;
    }
}

int datagram_set_ip_option(struct datagram_socket *socket, int option, const void *value,
                           socklen_t bytes)
{
    switch (option) {
    case IP_ADD_MEMBERSHIP:
    case IP_DROP_MEMBERSHIP:
        return set_membership(socket, option == IP_ADD_MEMBERSHIP, value, bytes);
    case IP_MULTICAST_IF:
        return set_interface(socket, value, bytes);
    case IP_PKTINFO:
        socket->is_info_wanted = read_number(value, bytes) != 0;
        return 0;
    case IP_MULTICAST_TTL:
    case IP_MULTICAST_LOOP:
    case IP_MULTICAST_ALL:
        return bytes < 1 ? -EINVAL : set_number(socket, option, read_number(value, bytes));
    default:
        return -ENOPROTOOPT;
    }
}

int datagram_take_ip_option(const struct datagram_socket *socket, int option, int *number)
{
    switch (option) {
    case IP_PKTINFO:
        *number = socket->is_info_wanted;
        return 0;
    case IP_MULTICAST_TTL:
        *number = socket->group_ttl;
        return 0;
    case IP_MULTICAST_LOOP:
        *number = socket->is_group_looped;
        return 0;
    case IP_MULTICAST_ALL:
        *number = socket->is_group_of_others;
        return 0;
    case IP_MULTICAST_IF:
        memcpy(number, &socket->group_interface, sizeof(*number));
        return 0;
    default:
        return -ENOPROTOOPT;
    }
}
