/* SPDX-License-Identifier: MIT */
/*
 * What send.c and receive.c know of each other node: only they and peers.c include this.
 */
#pragma once

#include "kernel/base.h"
#include "kernel/limits.h"
#include "kernel/message/channel.h"

/* What is due to a node at the end of the round. */
#define DUE_MESSAGE 1u /* it has been sent something */
#define DUE_ROOM    2u /* its channel to us has room again */

/* Another node, as this one sees it. */
struct peer {
    struct channel_receiver receiver;
    struct channel_sender sender;
    struct posted *first_posted; /* oldest first */
    struct posted **posted_end;
    uint32_t posted_count;
    bool is_present;   /* exists, is not us, and neither has died nor been given up */
    bool is_condemned; /* has been given up, and not been forgotten yet */
    uint8_t due;       /* DUE_... */
};

extern struct peer peers[NODE_MAX];

void send_initialise(void);
/* At the end of the round the node is to be looked at: DUE_... */
void send_note_due(node_id_t node, uint8_t due);
/* Throw away what waits for this node. */
void send_drop_posted(node_id_t node);

void receive_initialise(void);
/* The handler runs inside the send, on the stack of whoever sends. */
void receive_own(const struct message_header *header, const uint8_t *payload);
/* Whether the type, if it has a handler, has a fixed part of so many bytes. */
bool receive_is_fixed_part(uint16_t type, size_t bytes);
/* Look for messages from the nodes that are present now, and from no others. */
void receive_watch_present_nodes(void);
