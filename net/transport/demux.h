/* SPDX-License-Identifier: MIT */
/*
 * From a segment to its connection, by a hash of its flow; and what becomes of a segment that has
 * none: an answer from TIME_WAIT, a part of a handshake, another server's, or a stranger's.
 */
#pragma once

#include "kernel/base.h"
#include "net/messages.h"

struct flow_entry;
struct segment;
struct tcb;

void demux_initialise(void);
/*
 * A segment for us: whole, its checksums verified, of a flow that is ours by steering. Unless it is
 * kept meanwhile (tcp/segment.h) it stays the caller's.
 */
void demux_receive(struct segment *segment);
/* The same in two steps: if it is of a connection (returns whether it was), and if it is not. */
MUST_CHECK bool demux_receive_known(struct segment *segment);
void demux_receive_stranger(struct segment *segment);

/* The block of this flow, from its handshake's end to its own. NULL if there is none. */
struct tcb *demux_find(const struct flow *flow);
/* `half_open`: of that flow, in the table so far, whose place it takes; NULL: there is none. */
void demux_add(struct tcb *tcb, struct flow_entry *half_open);
void demux_remove(struct tcb *tcb);
