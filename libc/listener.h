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

#include "libc/connection.h"
#include "libc/descriptor.h"

#define LISTENER_MAX 64

/* A socket before it is connected, which here means: that listens, or will. */
struct listener {
    struct descriptor descriptor;
    struct in_addr address; /* as given to bind(); 0: any */
    uint16_t port;          /* machine's order */
    uint16_t index;         /* its name in messages, while it listens */
    bool is_bound;
    bool is_listening;
    bool is_on_list; /* on the CM's acceptor list, as far as we know */
    bool has_refused; /* an offer found the backlog full: the CM will drop us */
    uint32_t backlog;
    uint32_t offer_count; /* in `offers` and claimed without an answer */
    uint64_t defer_ns;    /* TCP_DEFER_ACCEPT: wait so long for data; 0: do not */
    struct connection_queue offers;   /* not yet claimed */
    struct connection_queue deferred; /* ours, but nothing has come yet */
    struct connection_queue ready;    /* for accept() */
};

extern const struct descriptor_operations listener_operations;

/* Register the messages of this file. */
void listener_start(void);
/* A descriptor for socket(). NULL when there is no memory. */
struct listener *listener_create(void);
/* Begin to listen. Returns 0, -EADDRINUSE, -ENFILE (too many listeners) or -EINVAL (not bound). */
MUST_CHECK int listener_listen(struct listener *listener, int backlog);
/* Something has come for a confirmed connection: if it was deferred, accept() may have it. */
void listener_connection_stirred(struct connection *connection);
/* Its TS has died before accept(). Destroys it. */
void listener_connection_lost(struct connection *connection);
