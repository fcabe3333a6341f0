/* SPDX-License-Identifier: MIT */
/*
 * Other nodes, as the files of this folder know them. All else uses dispatch.h and send.h.
 */
#pragma once

#include "kernel/base.h"
#include "kernel/limits.h"
#include "kernel/message/channel.h"
#include "kernel/message/send.h"

/* What is due to a node at the end of the round. */
#define DUE_MESSAGE 1u /* it has been sent something */
#define DUE_ROOM    2u /* its channel to us has room again */

/* A message that waits for room. A longer one, which waits for a channel, has a longer block. */
struct posted {
    struct posted *next;
    uint64_t message[CHANNEL_LINE_BYTES / sizeof(uint64_t)];
};

/* A node, as this one sees it. Of itself it knows only what waits for room. */
struct peer {
    struct channel_receiver receiver;
    struct channel_sender sender;
    struct posted *first_posted; /* oldest first */
    struct posted **posted_end;
    uint32_t posted_count;
    bool is_waiting; /* in the list of those for whom something is posted */
    struct peer *next_waiting;
    node_id_t node;
    uint8_t due;          /* DUE_... */
    bool is_present;      /* exists, is not us, and neither has died nor been given up */
    bool is_condemned;    /* has been given up, and not been forgotten yet */
    bool is_held;         /* this node does not let go of it, when it is dead */
    uint32_t incarnation; /* that this node knows, or knew before it died */
    uint64_t welcome_ns;  /* the next one is taken for alive no sooner */
    /* The channel to it, until it is open (opening.c). */
    bool is_ring_requested;
    uint64_t refused_ring;
    const void *left_ring; /* of a channel from an earlier incarnation */
    size_t left_bytes;
    /* Types of messages that it may send, of those with a handler: a bit each. */
    uint64_t types[MESSAGE_TYPE_MAX / 64];
    struct peer *next_due;
};

extern struct peer *peers; /* of all nodes */

/* --- peers.c --- */

/* Without any channel yet, and without handlers. The status pages are known. */
void peers_initialise(void);
/* Send nothing more to a node that has been given up; until it is forgotten, it is condemned. */
void peers_condemn(node_id_t node);
/* For a node that has died. Messages from it that are unread are lost, and those that wait. */
void peers_forget(node_id_t node);

/* --- send.c --- */
/* The own ring (send.h). Chosen: more than one round of hundreds of connections says of them. */
#define OWN_RING_BYTES (64 * KIB)
extern _Alignas(CHANNEL_LINE_BYTES) uint8_t own_ring_bytes[OWN_RING_BYTES];

void send_initialise(void);
/* At the end of the round the node is to be looked at: DUE_... */
void send_note_due(struct peer *peer, uint8_t due);
/* The oldest that waits for this node is done with: sent, handled, or never to be. */
void send_release_first_posted(struct peer *peer);
/* Whether a send of this round has found no room; and whether who had none has some now. */
bool peers_is_blocked(void);
bool peers_has_room_come(void);
/* First in a round: send what waited for room, as far as there is some now; returns how many. */
unsigned peers_send_posted(void);
/* Once a round, for each node that was sent something, however much it was. */
void peers_ring_doorbells(void);
/* Whether another node has been sent something since, or a message to this one waits. */
bool peers_is_anything_due(void);

/* --- receive.c --- */
void receive_initialise(void);
/* Hand a bounded batch of the messages from this node to their handlers; returns how many. */
unsigned receive_from(struct peer *peer);
/* Hand this node's own messages to their handlers: those that are there, and those that these send,
 * as far as the ring reaches; returns whether there was any. */
bool peers_handle_own(void);
bool peers_is_own_waiting(void);

/* --- poll.c --- */
void poll_initialise(void);
/* Look for messages from this node from now on, or no longer. */
void poll_add(node_id_t node);
void poll_remove(node_id_t node);
/* Hand messages from the channels to this node, a bounded batch each, to their handlers; returns
 * how many. One on which nothing has come for long is quiet: it is not looked at in each round, nor
 * before sleep, and its sender sends the attention interrupt. */
unsigned peers_receive_all(void);
bool peers_is_any_message_waiting(void);
/* After an attention interrupt. */
void peers_look_at_quiet(void);

/* --- opening.c: channels come into being, and end --- */
void opening_initialise(void);
/* As a sender without room: whether a channel has opened just now. If there is none, ask for it. */
bool opening_try(node_id_t to);
/* Whether there is a ring that was not tried; and whether one was asked for that is not there. */
bool opening_has_come(node_id_t to);
bool opening_is_awaited(node_id_t to);
/* As a receiver: make a channel from this node, if it wants one. */
void opening_look_at(node_id_t from);
/* For a node that has died, in both directions. */
void opening_close(node_id_t node);
