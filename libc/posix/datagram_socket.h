/* SPDX-License-Identifier: MIT */
/*
 * UDP sockets: what datagram_socket.c, datagram_options.c, datagram_groups.c and
 * datagram_transfer.c share.
 */
#pragma once

#include <netinet/in.h>

#include "libc/posix/descriptor.h"

struct datagram;
struct datagram_membership;
struct datagram_port;
struct msghdr;

struct datagram_socket {
    struct descriptor descriptor;
    struct datagram_port *port; /* NULL: not bound; it may not be settled yet */
    bool is_port_named;         /* by bind(): it stays when a peer goes */
    uint32_t address;           /* as given to bind(), network byte order; 0: any */
    /* The peer of connect(); port 0: none. Network byte order, machine's order. */
    uint32_t peer_address;
    uint16_t peer_port;
    bool is_broadcast_allowed;
    bool is_reuse_wanted; /* told again, no more */
    bool is_info_wanted;  /* IP_PKTINFO */
    bool is_read_shut, is_write_shut;
    int error;                   /* negative; told once */
    uint64_t receive_timeout_ns; /* SO_RCVTIMEO; 0: none */
    /* --- Groups: datagram_groups.c --- */
    struct datagram_membership *memberships;
    uint32_t group_interface; /* IP_MULTICAST_IF: told again; there is one interface */
    uint8_t group_ttl;        /* IP_MULTICAST_TTL */
    bool is_group_looped;     /* IP_MULTICAST_LOOP */
    bool is_group_of_others;  /* IP_MULTICAST_ALL: wants those of groups that others are in, too */
    /* --- What has come: datagram_transfer.c --- */
    size_t queue_limit_bytes; /* SO_RCVBUF, as getsockopt() tells it */
    size_t queued_bytes;      /* with what each datagram takes beside its bytes */
    struct datagram *first, *last;
};

/* Of the one interface. */
#define INTERFACE_INDEX 1

/* As Linux' defaults; SO_RCVBUF is told twice as large as it was set, and bounded by these. */
#define DATAGRAM_QUEUE_BYTES     212992u
#define DATAGRAM_QUEUE_MAX_BYTES (2 * DATAGRAM_QUEUE_BYTES)
#define DATAGRAM_QUEUE_MIN_BYTES 2304u

static inline struct datagram_socket *datagram_socket_of(const struct descriptor *descriptor)
{
    return CONTAINER_OF(descriptor, struct datagram_socket, descriptor);
}

/* Bind it if it is not bound: waits for the answer. Returns 0 or -errno; -EBADF: it was closed. */
int datagram_socket_bind(struct datagram_socket *socket, uint16_t number);
/* The address that a program may name as its own, or 0. */
uint32_t datagram_own_address(void);
/* Whether a datagram of this socket may be sent there: 0, -ENETUNREACH, -EACCES. 0.0.0.0 and
 * 127.0.0.0/8 become our own address. */
int datagram_check_destination(const struct datagram_socket *socket, uint32_t *address);

/* --- datagram_transfer.c --- */

struct datagram_arrived;
struct message_payload;

void datagram_queue_put(struct datagram_socket *socket, const struct datagram_arrived *arrived,
                        const struct message_payload *payload);
void datagram_queue_empty(struct datagram_socket *socket);
ssize_t datagram_receive(struct descriptor *descriptor, struct msghdr *message, size_t bytes,
                         int flags);
ssize_t datagram_send_message(struct descriptor *descriptor, const struct msghdr *message,
                              size_t bytes, int flags);

/* --- datagram_options.c --- */

int datagram_set_option(struct descriptor *descriptor, int level, int option, const void *value,
                        socklen_t bytes);
int datagram_take_option(struct descriptor *descriptor, int level, int option, int *number);
uint64_t datagram_timeout_ns(const struct descriptor *descriptor);

/* --- datagram_groups.c --- */

/* As Linux' defaults. */
void datagram_groups_initialise(struct datagram_socket *socket);
void datagram_groups_leave(struct datagram_socket *socket);
bool datagram_groups_has(const struct datagram_socket *socket, uint32_t address);
/* Those of IP. */
int datagram_set_ip_option(struct datagram_socket *socket, int option, const void *value,
                           socklen_t bytes);
int datagram_take_ip_option(const struct datagram_socket *socket, int option, int *number);
