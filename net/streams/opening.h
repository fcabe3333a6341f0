/* SPDX-License-Identifier: MIT */
/*
 * Streams that this application opens: a transport server connects (OPEN_CONNECTION), its own
 * node's or one of those that there are, and says what has come of it (CONNECTION_OPENED).
 */
#pragma once

#include "kernel/base.h"
#include "net/messages.h"

struct stream;

void stream_opening_start(void);

/*
 * Begin to connect to that address and port, from that port or, if it is 0, from any: all in
 * network byte order. `server`: the TS that shall do it, if it is one and lives; NODE_NONE: any. A
 * port of the application's own choice has its own TS, whatever is asked for. The owner is called
 * back (stream.h) when it is connected, and may be written to, or has failed, which
 * stream_take_error() tells: ECONNREFUSED, ETIMEDOUT, ENETUNREACH, EHOSTUNREACH, EADDRNOTAVAIL (no
 * port is left, or that one has such a connection), ENOBUFS; ECONNRESET: its TS has died.
 *
 * NULL: there is no memory, or none of the TSs lives.
 */
MUST_CHECK struct stream *stream_open(node_id_t server, uint32_t remote_address,
                                      uint16_t remote_port, uint16_t local_port,
                                      void (*changed)(void *owner, unsigned readiness),
                                      void *owner);
/* Whether it is neither connected nor failed yet. Until then its flow has no local half, but for a
 * port that was asked for, and of the other calls only queries and this may be made: */
bool stream_is_opening(const struct stream *stream);
/* It is not wanted any more, and forgotten. */
void stream_withdraw(struct stream *stream);
