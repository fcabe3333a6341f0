/* SPDX-License-Identifier: MIT */
/*
 * The byte stream between a connection's TCP and the application that has claimed it: DATA,
 * PEER_CLOSED, CONNECTION_FAILED and SEND_CREDIT one way; SEND, CONSUMED and CLOSE
 * the other. What splice.c needs of it stands at the end.
 */
#pragma once

#include "kernel/platform.h"

struct connection;
struct segment;

/* How much an application may have in flight at first: the first credit. It grows with what the
 * path takes at a time, to SEND_WINDOW_MAX_BYTES. */
#define SEND_WINDOW_BYTES       (256 * 1024u)
/* Credit is given back in pieces of at least a quarter of it, and to who has less than half. */
#define SEND_CREDIT_LEAST_BYTES (SEND_WINDOW_BYTES / 4)

void stream_initialise(void);

/* Give the application all there is. Returns false if a channel had no room: call again later. */
MUST_CHECK bool stream_deliver(struct connection *connection);
/* Give it these bytes, before the end of the round: it has been told all else that has come. False
 * if there is no room for them, and nothing has changed. */
MUST_CHECK bool stream_deliver_at_once(const struct connection *connection,
                                       struct segment *segment);
/* An application has just claimed it, and this is its name for it. The claim is to be confirmed,
 * unless it was granted. */
void stream_begin(struct connection *connection, uint32_t stream_index, bool is_confirmation_due);
/* The peer has acknowledged so many bytes: credit for the application. Returns whether there is so
 * much of it that it is to be told. */
bool stream_note_acknowledged(struct connection *connection, uint32_t bytes);

/* The connection of that name, which is that application's. NULL if not; counted unless it may be
 * over. */
struct connection *stream_find(node_id_t application, uint32_t index, uint32_t generation);
/* The application, or who takes its place, has taken so many bytes of what has come. */
void stream_consume(struct connection *connection, uint32_t bytes);
/* Whether bytes may still be sent on it. */
bool stream_can_send(const struct connection *connection);
/* Send these, which its allowance has room for, at the end of the round. False: memory is short;
 * nothing has changed. */
MUST_CHECK bool stream_append(struct connection *connection, const uint8_t *bytes,
                              uint32_t length_bytes);
/* FIN behind them. */
void stream_end(struct connection *connection);
/* What the peer has acknowledged may be sent again, and nobody need be told of it. */
void stream_take_credit(struct connection *connection);
/* The application need not be told that the peer has closed. */
void stream_keep_peer_closed(struct connection *connection);
