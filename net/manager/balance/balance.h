/* SPDX-License-Identifier: MIT */
/*
 * Load balance (PIKA 3.3): who gets the next connection of a port. The acceptor with the fewest
 * open connections, in turn among equals; another CM's offer only when there is none of our own.
 */
#pragma once

#include "kernel/base.h"

struct listener;
struct listening_application;

struct choice {
    struct listening_application *application; /* one of our own acceptors, or NULL */
    node_id_t offering_cm;                     /* else the CM whose offer to take, or NODE_NONE */
};

/* Costs one look at each of our own acceptors of the port. */
struct choice balance_choose(struct listener *listener);
/* Whom to offer to the other CMs; NULL for nobody. It stays the same as long as it can. */
struct listening_application *balance_choose_offer(const struct listener *listener);
