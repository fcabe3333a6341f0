/* SPDX-License-Identifier: MIT */
/*
 * One of the clients that a load consists of: a connection at a time, and a request at a time on
 * it.
 *
 *   CLOSED -> CONNECTING -> SENDING -> RECEIVING -> ENDING -> CLOSED   a connection for a request
 *                              ^           |
 *                              +-- KEPT <--+                           kept connections
 *
 * ENDING has its answer and waits for the server to close, so that TIME-WAIT is the server's, and
 * ports here do not run out. Whatever fails goes to CLOSED.
 */
#pragma once

#include <netinet/in.h>

#include "apps/webswamp/answer.h"
#include "apps/webswamp/result.h"
#include "apps/webswamp/targets.h"

enum session_state {
    SESSION_CLOSED,
    SESSION_CONNECTING,
    SESSION_SENDING,
    SESSION_RECEIVING,
    SESSION_ENDING,
    SESSION_KEPT,
};

/* What a call below has come to. */
enum session_outcome {
    SESSION_BUSY,       /* an event will tell */
    SESSION_FREE,       /* CLOSED or KEPT: another request may begin */
    SESSION_HAS_FAILED, /* likewise, but there was no connection to be had */
};

/* What all sessions have in common. */
struct session_world {
    int epoll_fd;
    bool is_kept, is_verified;
    struct sockaddr_in server;
    struct result *result;
    uint64_t now_ns; /* as of the last look at the clock */
};

struct session {
    struct session *next, *previous; /* load.c's, in one of its lists */
    enum session_state state;
    int fd;          /* while it is not CLOSED */
    bool has_served; /* the connection has, at least once */
    size_t sent_bytes;
    uint64_t intended_ns; /* when its request was due */
    uint64_t begun_ns;    /* when it began, or its rest did: load.c's */
    struct target *target;
    struct answer answer;
};

static inline bool session_is_free(const struct session *session)
{
    return session->state == SESSION_CLOSED || session->state == SESSION_KEPT;
}

/* Of a free one: begin a request that was due at that time. */
enum session_outcome session_begin(struct session *session, struct session_world *world,
                                   struct target *target, uint64_t intended_ns);
/* An event of epoll. Of a free one: the server closes a connection that was kept. */
enum session_outcome session_take_events(struct session *session, struct session_world *world,
                                         uint32_t events);
/* Of a busy one: it has taken too long. */
enum session_outcome session_time_out(struct session *session, struct session_world *world);
/* Close what is open. Counts nothing. */
void session_close(struct session *session);
