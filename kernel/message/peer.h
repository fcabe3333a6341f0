/* SPDX-License-Identifier: MIT */
/*
 * What send.c, receive.c, poll.c and opening.c know of each other node: only they and peers.c
 * include this.
 */
#pragma once

#include "kernel/base.h"
#include "kernel/limits.h"
#include "kernel/message/channel.h"
#include "kernel/message/send.h"

/* What is due to a node at the end of the round. */
#define DUE_MESSAGE 1u /* it has been sent something */
#define DUE_ROOM    2u /* its channel to us has room again */

/* A message that waits for room. */
struct posted {
    struct posted *next;
    uint64_t message[CHANNEL_LINE_BYTES / sizeof(uint64_t)]; /* the whole of it */
};

/* A node, as this one sees it. Of itself it knows only what waits for room. */
struct peer {
    struct channel_receiver receiver;
    struct channel_sender sender;
    struct posted *first_posted; /* oldest first */
    struct posted **posted_end;
    uint32_t posted_count;
    node_id_t node;
    /* The channel to it, until it is open (opening.c). */
    bool is_ring_requested;
    uint64_t refused_ring;
    bool is_present;   /* exists, is not us, and neither has died nor been given up */
    bool is_condemned; /* has been given up, and not been forgotten yet */
    uint8_t due;       /* DUE_... */
};

extern struct peer peers[NODE_MAX];

/* The own ring (send.h). Chosen: more than one round of hundreds of connections says of them. */
#define OWN_RING_BYTES (64 * KIB)
extern _Alignas(CHANNEL_LINE_BYTES) uint8_t own_ring_bytes[OWN_RING_BYTES];

void send_initialise(void);
/* At the end of the round the node is to be looked at: DUE_... */
void send_note_due(struct peer *peer, uint8_t due);
/* The oldest that waits for this node is done with: sent, handled, or never to be. */
void send_release_first_posted(node_id_t node);

void receive_initialise(void);
/* Hand a bounded batch of the messages from this node to their handlers; returns how many. */
unsigned receive_from(node_id_t node);

void poll_initialise(void);
/* Look for messages from this node from now on, or no longer. */
void poll_add(node_id_t node);
void poll_remove(node_id_t node);
