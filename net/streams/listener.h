/* SPDX-License-Identifier: MIT */
/*
 * Listeners: a port that this node's application serves (PIKA 3.2). LISTEN and ACCEPT_CONNECTION
 * go to the connection managers; CONNECTION_AVAILABLE comes from the transport servers.
 *
 * Somebody who wants a connection calls stream_listener_claim(), at the latest when he begins to
 * wait for one. That puts the listener on a CM's acceptor list and claims what is available. What
 * nobody claims goes to another application when its time is over: one that is busy elsewhere
 * takes nothing. What cannot be kept, for lack of room or memory, is declined at once.
 *
 * Nothing here blocks. The owner of a listener is called back when there is something to do.
 */
#pragma once

#include "kernel/base.h"

struct stream;
struct stream_listener;

enum stream_listener_event {
    /* stream_listener_claim() would now do something. Call it if somebody waits for a connection,
     * otherwise when somebody does. */
    LISTENER_CLAIMABLE,
    /* stream_listener_take() has a stream. Told once until stream_listener_claim() is called, as it
     * is before each look of somebody who would wait. */
    LISTENER_READY,
};

/* May be called from inside any function of this file, but not after stream_listener_close(). */
typedef void (*stream_listener_callback)(void *owner, enum stream_listener_event event);

/*
 * Begin to serve a port.
 *
 * port      machine's order, not 0
 * backlog   most connections that wait to be taken, at least 1
 * listener  set before `changed` is called for the first time
 *
 * Returns 0, -EADDRINUSE (this node has a listener on that port), -ENFILE (it has LISTENER_MAX) or
 * -ENOMEM.
 */
MUST_CHECK int stream_listener_open(uint16_t port, uint32_t backlog,
                                    stream_listener_callback changed, void *owner,
                                    struct stream_listener **listener);
/* Serve it no more. Streams that have not been taken are reset, those that have been go on. */
void stream_listener_close(struct stream_listener *listener);

/* Another backlog, at least 1. */
void stream_listener_set_backlog(struct stream_listener *listener, uint32_t backlog);
/* Hold a connection back until something has come on it, but no longer than that; 0: do not. */
void stream_listener_set_defer(struct stream_listener *listener, uint64_t defer_ns);

/* Want connections: be on the CM's acceptor list, and claim what is available. */
void stream_listener_claim(struct stream_listener *listener);
/* Whether stream_listener_take() has a stream. Claims nothing. */
bool stream_listener_is_ready(const struct stream_listener *listener);
/*
 * Take the stream that has been ready longest; there must be one. It is the caller's until
 * stream_close().
 *
 * changed   called from inside functions of stream.h and from message handlers when one of
 *           `readiness` (enum stream_readiness) may have come true; not after stream_close()
 */
struct stream *stream_listener_take(struct stream_listener *listener,
                                    void (*changed)(void *owner, unsigned readiness), void *owner);

/* --- For stream.c --- */

/* Register the messages of listener.c. */
void stream_listener_start(void);
/* Something has come for a stream: if it was deferred, it is ready. */
void stream_listener_end_deferring(struct stream *stream);
/* Its TS has died before it was taken. Destroys it. */
void stream_listener_lose(struct stream *stream);
/* A node has died: listeners that were on its acceptor list, or may have lost their place by its
 * word, ask for a place again. */
void stream_listener_lose_node(node_id_t node);
