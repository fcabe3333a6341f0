/* SPDX-License-Identifier: MIT */
/*
 * A node's listeners, for listener.c, whose they are, and returns.c.
 */
#pragma once

#include "net/messages.h"
#include "net/streams/listener.h"
#include "net/streams/table.h"

struct stream_listener {
    uint16_t port;           /* machine's order */
    uint16_t index;          /* its name in messages */
    bool is_on_list;         /* on the CM's acceptor list, as far as we know */
    node_id_t cm;            /* whose list that is */
    uint16_t request_number; /* by which it is on that list */
    uint16_t granted_count; /* connections claimed in advance that are to come, as far as we know */
    uint16_t renewal_count; /* grants are renewed when fewer are left, if there is room */
    bool has_declined;      /* one that was available: the CM drops us, or has */
    bool is_told;           /* the owner has been told of one that is ready, and has not looked */
    uint32_t backlog;
    uint32_t undecided_count; /* on `available`, and claimed without an answer yet */
    uint64_t defer_ns;        /* 0: defer nothing */
    struct stream_queue available, deferred, ready;
    stream_listener_callback changed;
    void *owner;
};

/* By their index; NULL: not in use. */
extern struct stream_listener *stream_listeners[LISTENER_MAX];

/* This node drains: no listener asks for connections any more. */
extern bool stream_listener_is_held;

/* It is, or may be, on no acceptor list any more. */
void stream_listener_lose_place(struct stream_listener *listener);
