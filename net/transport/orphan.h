/* SPDX-License-Identifier: MIT */
/*
 * Orphans: connections whose application has closed. TCP delivers what is left, says FIN and waits
 * for the peer's, for which nobody but the peer can make it hurry. So an orphan's life is limited,
 * and so is the number of orphans (RFC 9293 3.8.6.1 allows to reset a connection that waits for a
 * window when nobody wants it any more).
 */
#pragma once

#include "kernel/base.h"

struct connection;

/* In each period an orphan gets rid of so many bytes, or comes closer to its end by a state of TCP,
 * or is reset. Chosen: 2 kbit/s is less than any peer takes that wants the data. What a send window
 * holds is gone after 17 periods, so no orphan lives for more than 20 minutes. */
#define ORPHAN_PERIOD_NS   (60 * NS_PER_S)
#define ORPHAN_LEAST_BYTES (16 * 1024u)

/* One orphan for so much of the node's memory, ORPHAN_LEAST_COUNT at least; beyond it the oldest
 * ones are reset. Chosen: it keeps a PCB and, mostly, some segments. */
#define ORPHAN_SHARE_BYTES (16 * 1024u)
#define ORPHAN_LEAST_COUNT 256u

void orphan_initialise(void);
/* It has no application, and a slow tick has found it alive: its life is limited from here on.
 * Costs nothing those that end within a tick. May be called again. */
void orphan_watch(struct connection *connection);
/* TCP is done with it. */
void orphan_forget(struct connection *connection);
/* Reset those that do not get on, and the oldest of too many. Once in a slow tick. */
void orphan_expire(void);
