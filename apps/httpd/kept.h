/* SPDX-License-Identifier: MIT */
/*
 * What has been read from a client and not been handled: it is kept in a buffer of the client's own
 * while that is waited for. The fields input, input_bytes, input_parsed and input_capacity of a
 * struct client are this file's.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "apps/httpd/client.h"
#include "apps/httpd/request.h"

/* A request's largest head, and some room so that a larger one is seen to be. */
#define INPUT_MAX_BYTES (REQUEST_HEAD_MAX_BYTES + 1024)

/* Keep `bytes` from `from` on, of which `parsed` are parsed, instead of what was kept; they may lie
 * there. False without memory. */
bool kept_store(struct client *client, const char *from, size_t bytes, size_t parsed);
/* Keep nothing any more. */
void kept_drop(struct client *client);
