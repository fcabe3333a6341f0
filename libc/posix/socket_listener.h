/* SPDX-License-Identifier: MIT */
/*
 * Listening sockets: LISTEN and ACCEPT_CONNECTION to the connection managers, offers from the
 * transport servers, claims (PIKA 3.2).
 *
 * accept(), poll(), select() and epoll_wait() are local: they look at the offers that came and
 * claim them. An offer is claimed at once when a thread is blocked in one of these calls, else
 * by the next such call: an application that is busy elsewhere takes nothing, and its offers go
 * to others when their time is over.
 */
#pragma once

#include <netinet/in.h>

#include "libc/posix/descriptor.h"
#include "libc/posix/socket_table.h"

#define LISTENER_MAX 64

/* A socket before it is connected, which here means: that listens, or will. */
struct listening_socket {
    struct descriptor descriptor;
    struct in_addr address; /* as given to bind(); 0: any */
    uint16_t port;          /* machine's order */
    uint16_t index;         /* its name in messages, while it listens */
    bool is_bound;
    bool is_listening;
    bool is_on_list;         /* on the CM's acceptor list, as far as we know */
    bool has_refused;        /* an offer found the backlog full: the CM will drop us */
    uint16_t request_number; /* of the last ACCEPT_CONNECTION */
    uint32_t backlog;
    uint32_t undecided_count;     /* in `offers`, and claimed without an answer yet */
    uint64_t defer_ns;            /* TCP_DEFER_ACCEPT: wait so long for data; 0: do not */
    struct socket_queue offers;   /* not yet claimed */
    struct socket_queue deferred; /* ours, but nothing has come yet */
    struct socket_queue ready;    /* for accept() */
};

extern const struct descriptor_operations socket_listener_operations;

/* Register the messages of this file. */
void socket_listener_start(void);
/* A descriptor for socket(). NULL when there is no memory. */
struct listening_socket *socket_listener_create(void);
/* Begin to listen. Returns 0, -EADDRINUSE, -ENFILE (too many listeners) or -EINVAL (not bound). */
MUST_CHECK int socket_listener_listen(struct listening_socket *listener, int backlog);
/* Something has come for a confirmed connection: if it was deferred, accept() may have it. */
void socket_listener_stirred(struct socket *connection);
/* Its TS has died before accept(). Destroys it. */
void socket_listener_lost(struct socket *connection);
