/* SPDX-License-Identifier: MIT */
/*
 * What peers.c, send.c, receive.c and poll.c, a node's messages, do for the event loop in
 * dispatch.c. Everybody else uses dispatch.h.
 */
#pragma once

#include "kernel/base.h"

/* Without any channel yet, and without handlers. The status pages are known. */
void peers_initialise(void);

/* At the start of a round; and whether a send since then has found no room. */
void peers_begin_round(void);
bool peers_is_blocked(void);
/* If it is: whether a node that had no room has made progress since. */
bool peers_has_room_come(void);

/*
 * Hand messages from the channels to this node, a bounded batch each, to their handlers; returns
 * how many. One on which nothing has come for long is quiet: it is not looked at in each round, nor
 * before sleep, and its sender sends the attention interrupt.
 */
unsigned peers_receive_all(void);
bool peers_is_any_message_waiting(void);
/* After an attention interrupt. */
void peers_look_at_quiet(void);

/* Hand this node's own messages to their handlers: those that are there, and those that these send,
 * as far as the ring reaches; returns whether there was any. */
bool peers_handle_own(void);
bool peers_is_own_waiting(void);

/* Send to other nodes what waited for room, as far as there is some now; returns how many. */
unsigned peers_send_posted(void);

/* Once a round, for each node that was sent something, however much it was. */
void peers_ring_doorbells(void);
/* Whether another node has been sent something since, or a message to this one waits. */
bool peers_is_anything_due(void);

/* Whether the node exists, is not this one, and can be sent to. */
bool peers_is_present(node_id_t node);
/* Whether it has not read all that was sent to it, or has no channel for it; and how far it has
 * read. */
bool peers_is_behind(node_id_t node, uint32_t *acknowledged_lines);
/* Let it look again; it costs an awake one nothing. */
void peers_ring(node_id_t node);
/* Send nothing more to a node that has been given up; until it is forgotten, it is condemned. */
void peers_condemn(node_id_t node);
bool peers_is_condemned(node_id_t node);
/* For a node that has died. Messages from it that are still unread are lost, and so are messages
 * to it that wait for room. */
void peers_forget(node_id_t node);
