/* SPDX-License-Identifier: MIT */
/*
 * Responses on their way into a socket: in as few calls as the system has, with what follows the
 * last one.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "apps/httpd/known.h"
#include "apps/httpd/response.h"

/* What follows a response. */
enum sending_end {
    SENDING_GOES_ON,
    SENDING_ENDS,   /* our end of the connection, if the system can say that with the bytes */
    SENDING_CLOSES, /* the same, and the descriptor is closed when all has been sent */
};

/* Send as much as goes, and take it off the response. Returns 1 when all is sent, and *fd is -1 if
 * it is closed with it; 0 when the rest must wait, -1 on failure. */
int sending_response(int *fd, struct response *response, enum sending_end end);

/* The answer to a request that is known, with one call and nothing else. Returns whether all of it
 * was sent; if not, *sent is how much, and the next try tells why. */
bool sending_known(int fd, const struct known *known, enum sending_end end, size_t *sent);

/* Whether the response is a stream: then that has got the connection, which is no event loop's any
 * more, and *fd is -1. */
bool sending_hand_over(int epoll_fd, int *fd, struct response *response);

/* So much of it has been taken, head first. */
void sending_note(struct response *response, size_t sent);
