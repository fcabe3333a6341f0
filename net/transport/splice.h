/* SPDX-License-Identifier: MIT */
/*
 * Splices: pairs of connections of one application on this TS, of which each, or one, gets what
 * comes on the other (net/splice_messages.h). The application does not see these bytes.
 *
 * Bytes go from what has been received on one, the source, into TCP's queue of the other, the
 * drain, as far as the drain's allowance goes: what an application may send without its being
 * acknowledged. What it has no room for stays where it is and counts against the source's window,
 * as what an application does not read. So a splice holds no more than a program that copies.
 *
 * A FIN is passed on behind the bytes. A connection that fails ends both ways of its pair; what
 * becomes of the other one is the application's to say. When the application's node dies both are
 * reset, as all of its connections are.
 */
#pragma once

#include "kernel/base.h"

struct connection;

/* Pairs of a transport server: what a connection has room to name. Beyond it an application
 * copies. */
#define SPLICE_PAIR_MAX 65535u

void splice_initialise(void);
/* One that is spliced has something to tell, or has been told something. */
void splice_settle(struct connection *connection);
/* Nobody has it any more, and TCP is done with it. Returns whether it was spliced. */
bool splice_forget(struct connection *connection);
/* Pairs that there are. */
uint32_t splice_count(void);
