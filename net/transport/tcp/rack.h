/* SPDX-License-Identifier: MIT */
/*
 * RACK (RFC 8985 6): what was sent before something that has arrived since, and a little longer ago
 * than a round trip, is lost, be it the first time or not. How much longer adapts to the reordering
 * that is seen.
 */
#pragma once

#include "kernel/base.h"

struct delivery;
struct recovery;
struct reference;
struct tcb;

void rack_open(struct recovery *recovery, uint32_t snd_una);
/* A reference has arrived, up to `end`: steps 2 and 3. In the order of their numbers for each
 * acknowledgement. */
void rack_deliver(struct tcb *tcb, struct recovery *recovery, const struct reference *reference,
                  uint32_t end);
/* A plain acknowledgement of all up to `end`, the last part of which was sent then. */
void rack_deliver_plain(struct recovery *recovery, uint32_t sent_us, uint32_t end,
                        uint32_t round_trip_us);
/* A D-SACK has come: step 4's widening, once a round trip. */
void rack_note_duplicate(struct tcb *tcb, struct recovery *recovery);
/* What was taken for lost has only been overtaken. Step 3 does not see that once it was sent again,
 * so where all that comes late went again before it came nothing was ever seen. */
void rack_note_reordering(struct recovery *recovery);
/* What was sent again has not arrived, as was thought: the first one has. */
void rack_forget(struct recovery *recovery);
void rack_note_recovered(struct recovery *recovery);
/* Mark what is lost: step 5. Returns after how many microseconds more is, if nothing comes; 0:
 * nothing is. */
uint32_t rack_detect(struct tcb *tcb, struct recovery *recovery);
/* At a time-out (6.3): the head, and what was sent so long ago that it would be found lost. */
void rack_mark_timed_out(struct tcb *tcb, struct recovery *recovery);
