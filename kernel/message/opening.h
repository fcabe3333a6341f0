/* SPDX-License-Identifier: MIT */
/*
 * Channels come into being when they are first used (design, Mailboxes). A sender without one says
 * on its status page that it wants one, and sends the attention interrupt; to it that is a channel
 * without room. The receiver, when it looks, takes memory, says on its page where the ring is, and
 * rings a sender that sleeps for room, which checks what it reads there and maps the ring.
 *
 * A receiver without memory counts the wish and tries again when it looks next, as the sender asks
 * it to at each of its looks at nodes that take nothing. It gives up one that makes no channel, or
 * names a ring that cannot be, as it does those (watch.h).
 */
#pragma once

#include "kernel/base.h"

void opening_initialise(void);
/* As a sender without room: whether a channel has opened just now. Asks for one if there is none.
 */
bool opening_try(node_id_t to);
/* Whether there is a ring that was not tried; and whether one was asked for that is not there. */
bool opening_has_come(node_id_t to);
bool opening_is_awaited(node_id_t to);
/* As a receiver: make a channel from this node, if it wants one. */
void opening_look_at(node_id_t from);
/* For a node that has died, in both directions. */
void opening_close(node_id_t node);
