/* SPDX-License-Identifier: MIT */
/*
 * Checks of backends, one after the other for each: a connection is opened, and, for CHECK_HTTP, a
 * page asked for. A check that takes longer than its interval is bad.
 */
#pragma once

#include <stdint.h>

#include "apps/forward/balance.h"

/* One for each service, whose backends are all up at first. */
void checker_start(int epoll_fd, struct backend_pool *pools, unsigned count, uint64_t now_ms);
/* `changed` is called when a backend has come or gone. */
void checker_observe(void (*changed)(void));
/* An event of epoll for a struct whose first word is EVENT_CHECK. */
void checker_handle(void *probe, uint32_t events, uint64_t now_ms);
/* Begin those that are due, and end those whose time is over. Returns in how many milliseconds to
 * come again; -1: nothing is checked. */
int checker_expire(uint64_t now_ms);
