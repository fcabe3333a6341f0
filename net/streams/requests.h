/* SPDX-License-Identifier: MIT */
/*
 * The messages in which listeners ask for connections, and take or decline them. They are posted:
 * none is lost for lack of room.
 */
#pragma once

#include "net/messages.h"

struct stream;

/* To every CM: the port is served, with another backlog perhaps; or not any more. */
void request_listen(uint16_t port, uint16_t listener_index, uint32_t backlog);
/* To a CM that has come back: the former; and that there are no more such ports. */
void request_listen_from(node_id_t cm, uint16_t port, uint16_t listener_index, uint32_t backlog);
void request_end_listening_from(node_id_t cm);
void request_unlisten(uint16_t port, uint16_t listener_index);

/* To the CM of the acceptor list. What is left of the fields is as in the message. */
void request_accept(node_id_t cm, const struct accept_connection *request);
void request_give_up_place(node_id_t cm, uint16_t port, uint16_t listener_index,
                           uint16_t request_number);

/* To the TS of a connection. */
void request_claim(const struct stream *stream);
void request_decline(node_id_t ts, uint32_t connection_index, uint32_t generation,
                     uint16_t availability_number);
