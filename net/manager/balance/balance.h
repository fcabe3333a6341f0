/* SPDX-License-Identifier: MIT */
/*
 * Load balance (PIKA 3.3): who gets the next connection of a port. One interface; each scheme is a
 * file in this folder.
 *
 * A scheme has no data of its own: what it must remember of a port stands in the port's struct
 * listener, so that several CMs in one process do not meet. It may reorder a port's acceptor list
 * (listener_add_acceptor(), listener_remove_acceptor()), but everybody who is on it stays on it.
 */
#pragma once

#include "kernel/base.h"

struct listener;
struct listening_application;

struct choice {
    struct listening_application *application; /* one of our own acceptors, or NULL */
    node_id_t offering_cm;                     /* else the CM whose offer to take, or NODE_NONE */
};

struct balance_scheme {
    const char *description; /* for people; shorter than STATUS_TEXT_BYTES */
    /* Who gets the next connection. Somebody, if there is an acceptor or an offer; it counts as
     * their turn. */
    struct choice (*choose)(struct listener *listener);
    /* Whom to offer to the other CMs; NULL for nobody. Changes nothing. */
    struct listening_application *(*best)(const struct listener *listener);
};

/* The acceptor with the fewest open connections, in turn among equals; another CM's offer, in turn,
 * only when there is none of our own. Costs one look at each of our own acceptors of the port. */
extern const struct balance_scheme balance_least;
