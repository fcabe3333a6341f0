/* SPDX-License-Identifier: MIT */
/*
 * What is needed from a request's first byte to its response's last. Clients are served one after
 * the other, so one serves them all; who has to be waited for in the middle gets a copy.
 */
#pragma once

#include <stdbool.h>

#include "apps/httpd/request.h"
#include "apps/httpd/response.h"

struct work {
    struct response response;
    struct request request;
};

/* For the client that is served now, unless it has its own. In between it holds nothing. */
extern struct work work_shared;

/* Before all else. */
void work_start(void);
/* Before a client without its own is served: forget what the last one may have left. */
void work_clear_shared(void);
/* Read a request that begins at `head` on from *at, which then stands behind what belongs to it. */
enum request_progress work_parse(struct work *work, const char *head, char **at, const char *end);
/* It is ready for the next one. */
void work_restart(struct work *work);

/* What is in the shared one, as its client's own; the other holds nothing then. NULL: no memory. */
struct work *work_take_shared(void);
/* Let go of the response's memory, if it has any. */
void work_release_response(struct work *work);
