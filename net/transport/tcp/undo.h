/* SPDX-License-Identifier: MIT */
/*
 * Losses and time-outs that were none. F-RTO (RFC 5682): after a time-out something arrives that
 * was not sent again, so only the acknowledgement was late. D-SACK (RFC 3708): everything that was
 * sent again has come twice.
 */
#pragma once

#include "kernel/base.h"

struct delivery;
struct recovery;
struct tcb;

/* An episode begins; congestion.c has kept what was before. */
void undo_begin(struct tcb *tcb, struct recovery *recovery, bool is_timeout);
/* It cannot be undone, or has been. */
void undo_end(struct recovery *recovery);
/* Whatever comes now, the time-out had a cause. */
void undo_stop_frto(struct recovery *recovery);
/* So much was sent again in it. */
void undo_note_again(struct recovery *recovery, uint32_t bytes);
/* Whether this shows that the episode had no cause. */
bool undo_acknowledge(struct tcb *tcb, struct recovery *recovery, const struct delivery *delivery,
                      bool is_duplicate);
/* Whether nothing lost is to be sent now: new bytes are, to see what comes of them. */
bool undo_hides_lost(const struct tcb *tcb, const struct recovery *recovery);
/* How many of those, then. */
uint32_t undo_quota_bytes(const struct tcb *tcb, const struct recovery *recovery);
