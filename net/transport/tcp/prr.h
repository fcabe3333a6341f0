/* SPDX-License-Identifier: MIT */
/*
 * Proportional rate reduction (RFC 9937): while what was lost is sent again, cwnd is led from what
 * was in flight to ssthresh by what arrives, not by halting for half a round trip.
 */
#pragma once

#include "kernel/base.h"

struct delivery;
struct recovery;
struct tcb;

/* Recovery begins, with so much in flight before the loss was known. */
void prr_begin(struct recovery *recovery, uint32_t flight_bytes);
/* cwnd for what has come; `pipe_bytes`: what is in flight after it. */
void prr_on_ack(struct tcb *tcb, struct recovery *recovery, uint32_t pipe_bytes,
                const struct delivery *delivery);
void prr_on_send(struct recovery *recovery, uint32_t bytes);
