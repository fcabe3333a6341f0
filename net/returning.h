/* SPDX-License-Identifier: MIT */
/*
 * Nodes that come back. Such a node has what it had at first as a TS or CM only when it says that
 * it knows enough to serve: SERVES_AGAIN, to all nodes, itself included.
 */
#pragma once

#include "kernel/base.h"
#include "net/configuration.h"

/* Whether this node has come back, and has not said yet that it serves in this role. */
bool returning_is_due(enum role role);
/* It does: say so, once. */
void returning_announce(enum role role);

/* Called when a node serves in this role again, as the configuration knows then. */
void returning_observe(void (*serves_again)(node_id_t node, enum role role));

/* On every node with a role, before any role starts. */
void returning_start(void);
