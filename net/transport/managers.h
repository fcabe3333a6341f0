/* SPDX-License-Identifier: MIT */
/*
 * Which connection manager a transport server asks, and what becomes of connections while none
 * serves: they wait for the first that comes back, at most UNACCEPTED_MAX_NS (availability.h). On a
 * machine whose dead nodes stay dead they are reset.
 */
#pragma once

#include "kernel/base.h"

struct connection;

/* The one that was asked before, if it serves (NODE_NONE: there is none), or this node's own;
 * NODE_NONE when none serves. */
node_id_t managers_find(node_id_t last);
/* A connection waits, and none serves. */
void managers_await(struct connection *connection);
/* Whether it does. */
bool managers_is_awaited_by(const struct connection *connection);
