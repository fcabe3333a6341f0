/* SPDX-License-Identifier: MIT */
/*
 * Channels come into being when they are first used (design, Mailboxes).
 *
 *   sender    finds no channel: says on its status page that it wants one, sends the attention
 *             interrupt. Until there is one, a send finds no room, as with one that is full.
 *   receiver  looks who wants one; takes memory, and says on its status page where the ring is. A
 *             sender that sleeps for room is rung.
 *   sender    checks what it reads there, maps the ring, and sends.
 *
 * Without memory the receiver leaves the wish as it is, counts it, and tries again when it looks
 * next; the sender asks it to at each of its looks at nodes that take nothing, and gives it up when
 * it would give up one (watch.h). So it does with one that names a ring which cannot be.
 */
#pragma once

#include "kernel/base.h"

void opening_initialise(void);
/* As a sender that has found no room: whether a channel has opened just now, so that it is worth to
 * try again. Asks for one if there is none. */
bool opening_try(node_id_t to);
/* Whether a ring is there that has not been tried; and whether one was asked for and is not there.
 */
bool opening_has_come(node_id_t to);
bool opening_is_awaited(node_id_t to);
/* As a receiver: make a channel from this node, if it wants one. */
void opening_look_at(node_id_t from);
/* For a node that has died, in both directions. */
void opening_close(node_id_t node);
