/* SPDX-License-Identifier: MIT */
/*
 * Tail loss probes (RFC 8985 7): when nothing was heard for two round trips the last segment, or a
 * new one, makes the peer say what it has: so a loss at the end of what was sent needs no time-out.
 */
#pragma once

#include "kernel/base.h"

struct delivery;
struct recovery;
struct tcb;

/* How long to wait for an acknowledgement before one goes, instead of the time-out. */
uint32_t probe_timeout_us(const struct tcb *tcb, uint32_t flight_bytes);
/*
 * Whether there is a segment for one. While nothing is known to be missing there always is: the
 * last. Later RFC 8985 7.2 leaves silence to the time-out, since nothing may go again before that
 * (RFC 6298 5). But a retransmission that was the last of its flight is lost as often as any other
 * segment, and so is the only acknowledgement of it: bytes that were never sent may ask then, too,
 * and what waits to be sent again.
 */
bool probe_is_possible(const struct tcb *tcb, const struct recovery *recovery);
/* Nothing was heard: the sender shall send one. episode_settle() is to follow. */
void probe_set_due(struct recovery *recovery);
/* It was sent, and ends there. */
void probe_note_sent(struct recovery *recovery, uint32_t end, bool is_again);
/* Whether the acknowledgement up to `ack` says that the probe has repaired a loss (7.4), to which
 * congestion control must answer. */
bool probe_acknowledge(struct recovery *recovery, uint32_t ack, const struct delivery *delivery);
void probe_forget(struct recovery *recovery);
