/* SPDX-License-Identifier: MIT */
/*
 * Sessions: a client's connection, a backend's, and the bytes between them (modes stream and copy).
 *
 *   CONNECTING   a backend is asked; if it does not accept, the next one
 *   MOVING       what comes on each goes out on the other; the end of one way is passed on
 *
 * When both ways have ended both are closed. When one connection fails, or a session is idle, both
 * are reset. One for which no backend is left is reset.
 */
#pragma once

#include <stdint.h>

#include "apps/forward/balance.h"

/* Events are told for descriptors by their struct side, whose first word says so. */
enum event_kind {
    EVENT_LISTENER,
    EVENT_SIDE,
    EVENT_CHECK,
    EVENT_STATUS,
};

void session_start(int epoll_fd);
/* How many there can be, and are. */
void session_set_most(unsigned count);
unsigned session_count(void);

/* A client has connected; takes the descriptor. */
void session_open(struct backend_pool *pool, int client_fd, uint64_t now_ms);
/* An event of epoll for a struct side. */
void session_handle(void *side, uint32_t events, uint64_t now_ms);
/* Those whose backend has not accepted in time try another one. Returns in how many milliseconds to
 * come again; -1: nobody waits. */
int session_expire(uint64_t now_ms);
/* The sessions of a round that have ended are forgotten. */
void session_end_round(void);
