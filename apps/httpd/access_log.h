/* SPDX-License-Identifier: MIT */
/*
 * The access log: a line for each answer (access_line.h), to a collector by UDP syslog (RFC 5424,
 * 5426), to the console, or to both. Off by default.
 *
 * A line is written when its answer begins. It never waits: one that cannot be sent at once is lost
 * and counted, and the log says so, once in a while. With an access log no request is known by
 * heart (known.h), so without one the way of a known request has nothing of it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "libc/core/base.h"

struct request;
struct response;

/* Whether there is one. It does not change any more when requests come. */
extern bool access_log_is_on;

/* What --access-log says: `console`, or an IPv4 address with or without a port, or both with a
 * comma between. False: it says something else. */
bool access_log_choose(const char *destinations);
/* Open what was chosen; before the first request. -1, and errno, if that cannot be. */
int access_log_start(void);

void access_log_write(int fd, const char *head, size_t head_bytes, const struct response *response);

/* An answer is about to be sent to a client whose connection is still open. `head`: what has come
 * of its request. */
static inline void access_log_note(int fd, const char *head, size_t head_bytes,
                                   const struct response *response)
{
    if (UNLIKELY(access_log_is_on)) {
        access_log_write(fd, head, head_bytes, response);
    }
}

void access_log_write_request(int fd, const struct request *request, const char *head,
                              const char *end, const struct response *response);

/* The same of a request that is complete, up to `end`. */
static inline void access_log_note_request(int fd, const struct request *request, const char *head,
                                           const char *end, const struct response *response)
{
    if (UNLIKELY(access_log_is_on)) {
        access_log_write_request(fd, request, head, end, response);
    }
}
