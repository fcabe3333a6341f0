/* SPDX-License-Identifier: MIT */
/*
 * TCP clients of a transport server, and the application they talk to, over the wire of
 * fake_wire.h: a connection from its SYN to its end.
 */
#pragma once

#include "kernel/message/status.h"
#include "net/messages.h"
#include "tests/unit/world/fake_wire.h"

struct tcb;

/* A group's set-up, and a test's end: nothing of it may reach the next one. */
int wire_set_up(void **state);
int wire_tear_down(void **state);
/* One that no test has used. */
uint16_t wire_new_port(void);
/* Of the transport server's node. */
uint64_t wire_counted(unsigned counter);

/* The application has claimed what the CM assigns in advance. */
extern enum acceptor_grant wire_grant;
/* A SYN of the client, of which the CM is asked; its answer. Returns whether it was asked. */
void wire_send_syn(const struct client *client);
bool wire_answer_syn(node_id_t acceptor_node, bool is_refused);
/* Both: the CM assigns it, to the application or to `acceptor_node`. Refused: nobody serves its
 * port. */
void wire_assign(const struct client *client, node_id_t acceptor_node, bool is_refused);
/* The same for any frame. */
void wire_assign_frame(const uint8_t *bytes, size_t length, node_id_t acceptor_node,
                       bool is_refused);
/* SYN to ESTABLISHED; sends `data` behind the handshake's last ACK if it is not NULL. */
void wire_open(struct client *client, uint16_t port, const char *data);
/* wire_open(), then the application's claim; stream_index is the port. Returns CLAIM_CONFIRMED. */
const struct claim_confirmed *wire_accept(struct client *client, uint16_t port);
void wire_claim(const struct client *client);

/* From the application. */
void wire_application_send(const struct client *client, const void *bytes, uint32_t length);
void wire_application_send_archive(const struct client *client, uint64_t offset, uint32_t length);
/* Head, bytes of the archive and, unless the kind is 0, our end of the connection as one message.
 */
void wire_application_respond(const struct client *client, const void *head, uint32_t head_bytes,
                              uint32_t archive_bytes, uint32_t close_kind);
void wire_application_consumed(const struct client *client, uint32_t bytes);
void wire_application_close(const struct client *client, uint32_t consumed, enum close_kind kind);

/* "Fragmentation needed" from the client's network, about the server's segment with this sequence
 * number: build it, or receive it. Returns its length; the frame holds FRAME_MAX_BYTES. */
size_t wire_build_too_long(uint8_t *frame, const struct client *client, uint32_t sequence,
                           unsigned mtu);
void wire_tell_mtu(const struct client *client, uint32_t sequence, unsigned mtu);

/* Connections that the server knows of, in whatever state: handshakes, too. */
unsigned wire_connection_count(void);
/* What TCP knows of a connection that the application has been told of; it must not be over. */
struct tcb *wire_tcb_of(const struct client *client);
/* Client and server say FIN, the client first or second; nothing stays behind. */
void wire_finish(struct client *client);
