/* SPDX-License-Identifier: MIT */
/*
 * Losses of a peer without SACK: duplicates are counted (RFC 5681 3.2), and an acknowledgement of a
 * part of what was under way says where the next hole is (RFC 6582).
 *
 * Each duplicate stands for a segment that has arrived somewhere behind the hole: sacked_bytes of
 * the scoreboard counts them. So the first two let two new segments go (RFC 3042).
 */
#pragma once

#include "net/transport/tcp/tcb.h"

struct delivery;
struct recovery;

/* Something new is acknowledged, or the count begins anew. */
static inline void newreno_forget(struct tcb *tcb)
{
    tcb->duplicate_acks = 0;
}

/* A duplicate, or a merged one that stands for several. */
void newreno_duplicate(struct tcb *tcb, struct recovery *recovery, unsigned count,
                       struct delivery *delivery);
/* snd_una has moved, inside recovery or not: some of what is acknowledged was counted. */
void newreno_acknowledge(struct tcb *tcb, struct recovery *recovery, struct delivery *delivery);
/* Mark the segment at snd_una, if nothing is yet. */
void newreno_mark_head(struct tcb *tcb, struct recovery *recovery);
