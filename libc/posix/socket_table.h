/* SPDX-License-Identifier: MIT */
/*
 * Connections as the application's side of PIKA sees them: from the offer of a transport server
 * to the close. The TS owns the TCP state; here are only what has been received and not yet
 * read, and how much may be sent.
 *
 * A connection's name in messages to us, socket_index, is its place in the table and a count of
 * that place's uses, so a message to a closed connection is never taken for its successor's.
 */
#pragma once

#include "libc/posix/descriptor.h"
#include "net/messages.h"

#define SOCKET_MAX DESCRIPTOR_MAX

/* Received bytes a TS may have sent ahead of us. Above any TCP window; beyond it the TS is
 * damaged, and the connection is aborted rather than memory exhausted. Chosen. */
#define SOCKET_RECEIVED_MAX_BYTES (1 * MIB)

struct listening_socket;
struct socket_queue;

enum socket_state {
    SOCKET_FREE,
    SOCKET_OFFERED,   /* on its listener's `offers` */
    SOCKET_CLAIMED,   /* CLAIM_CONNECTION sent, no answer yet */
    SOCKET_CONFIRMED, /* ours: on its listener's `ready` or `deferred`, then under an fd */
};

/* A piece of received data. */
struct chunk {
    struct chunk *next;
    uint32_t length_bytes;
    uint32_t read_bytes;
    uint32_t capacity_bytes;
    uint32_t reserved;
    uint8_t bytes[];
};

struct socket {
    struct descriptor descriptor;
    uint32_t socket_index;
    uint32_t connection_index, generation; /* the TS's name for it */
    node_id_t ts;
    uint16_t offer_number;
    uint8_t state; /* enum socket_state */
    bool is_peer_closed;
    bool is_gone; /* failed, or aborted by us: the TS knows it no more */
    bool is_send_shut, is_receive_shut;
    bool is_linger_zero;   /* SO_LINGER with time 0: close() resets */
    bool is_short_of_room; /* a send found no credit or no room in the channel */
    bool is_channel_full;  /* it was the channel; on stream.c's list */
    int error;             /* to be told once, as errno; 0: none */
    uint32_t send_credit_bytes, send_window_bytes;
    uint32_t unreported_bytes; /* read by the application, not yet told to the TS */
    uint32_t received_bytes;   /* not yet read */
    struct chunk *receive_head, *receive_tail;
    struct flow flow;
    struct listening_socket *listener; /* until accept() */
    struct socket_queue *queue;        /* that it stands on, or NULL */
    struct socket *next, *previous;
    struct socket *next_channel_full;
    uint64_t confirmed_ns;
};

/* A connection stands on at most one queue. */
struct socket_queue {
    struct socket *head, *tail;
    uint32_t count;
};

void socket_queue_append(struct socket_queue *queue, struct socket *connection);
void socket_queue_remove(struct socket *connection);

/* A fresh connection for an offer. NULL when there is no memory or no place. */
struct socket *socket_create(node_id_t ts, const struct connection_available *offer);
/* Forget it and what it has received; says nothing to the TS. */
void socket_destroy(struct socket *connection);
/* The one that a message means: same name, same TS, same generation there. NULL when it is
 * closed already, which is normal for what was on its way meanwhile. */
struct socket *socket_find(node_id_t from, uint32_t socket_index, uint32_t generation);
/* Call `visit` for each that is not free; it may destroy the one it is given. */
void socket_for_each(void (*visit)(struct socket *connection, void *context), void *context);

/* Keep received bytes. Returns 0, or -ENOMEM, -EMSGSIZE: the stream has a hole now. */
MUST_CHECK int socket_append(struct socket *connection, const void *bytes, size_t length_bytes);
/* Take up to `length_bytes` (they stay if `is_peek`); returns how many. */
size_t socket_take(struct socket *connection, void *buffer, size_t length_bytes, bool is_peek);

/* Tell the TS that it is closed in this way (enum close_kind), unless the TS has forgotten it. */
void socket_post_close(struct socket *connection, uint32_t kind);
/* Everything fails from here on, with `error`, once. Wakes all who wait. */
void socket_fail(struct socket *connection, int error);
