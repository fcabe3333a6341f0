/* SPDX-License-Identifier: MIT */
/*
 * What TCP tells of a connection. net/transport/connection.c implements these; they note what has
 * happened and mark the connection: what follows is done at the end of the round, and no handler
 * runs before they return.
 */
#pragma once

#include "kernel/base.h"

struct pbuf;
struct segment;
struct tcb;

/* A segment's bytes are the next in order. False, and counted: there is no memory to keep them. */
MUST_CHECK bool tcp_event_text(struct tcb *tcb, struct segment *segment);
/* Bytes that are in order now, one or more pbufs linked as a packet; takes them. */
void tcp_event_received(struct tcb *tcb, struct pbuf *packet);
/* The peer's FIN has come, behind all its bytes. */
void tcp_event_peer_closed(struct tcb *tcb);
/* The peer has so many bytes more of what was queued: their memory is free. */
void tcp_event_acknowledged(struct tcb *tcb, uint32_t bytes);
/*
 * TCP is done with it: nothing of the block is in use any more, and no other event follows. Its
 * flow is to be found no longer (demux_remove()); the block stays until the end of the round.
 *
 * error  0: both sides have closed, or TIME_WAIT has it; ECONNRESET, ETIMEDOUT, or what
 *        tcb_abort() was given
 */
void tcp_event_ended(struct tcb *tcb, int error);
/* Call tcb_settle() at the end of this round. */
void tcp_event_unsettled(struct tcb *tcb);
/* It has not ended in its first moments: what most need not may be done for it now (soon.h). */
void tcp_event_stays(struct tcb *tcb);

/* Whether bytes that have come wait here, because the application does not take them. */
bool tcp_application_is_behind(const struct tcb *tcb);
