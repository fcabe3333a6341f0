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
 * or is reset. Chosen: 2 kbit/s is less than any peer takes that wants the data. What the first
 * send window holds is gone after 17 periods, so few orphans live for more than 20 minutes. */
#define ORPHAN_PERIOD_NS   (60 * NS_PER_S)
#define ORPHAN_LEAST_BYTES (16 * 1024u)
/* So often, while there are orphans, a look finds out which of them to reset. */
#define ORPHAN_LOOK_NS     (100 * NS_PER_MS)

/* One orphan for so much of the node's memory, ORPHAN_LEAST_COUNT at least; beyond it the oldest
 * ones are reset, those of an address that has many before others. Chosen: most keep some bytes
 * that are not acknowledged. */
#define ORPHAN_SHARE_BYTES (16 * 1024u)
#define ORPHAN_LEAST_COUNT 256u

void orphan_initialise(void);
/* It has no application any more: its life is limited. Not for one that is over in a moment. */
void orphan_watch(struct connection *connection);
/* TCP is done with it, orphan or not. */
void orphan_forget(struct connection *connection);
