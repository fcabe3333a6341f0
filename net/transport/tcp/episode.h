/* SPDX-License-Identifier: MIT */
/*
 * The states of loss recovery (enum recovery_state): this is the one place where they change.
 */
#pragma once

#include "kernel/base.h"

struct recovery;
struct tcb;

/* Of a new block: what is known to be lost is so since a time-out. */
void episode_open(struct tcb *tcb, struct recovery *recovery);
/* Something is marked lost, for the first time since all was well. `delivered_bytes`: what the
 * acknowledgement that said so has brought. */
void episode_begin_fast(struct tcb *tcb, struct recovery *recovery, uint32_t delivered_bytes);
/* The time-out, or all was too long for the path. cwnd and marks are the caller's. */
void episode_begin_slow_start(struct tcb *tcb, struct recovery *recovery);
/* All that was under way when it began is acknowledged. */
void episode_end(struct tcb *tcb, struct recovery *recovery);
/* It had no cause: nothing is lost. */
void episode_undo(struct tcb *tcb, struct recovery *recovery);
/* After each change of the block: whether plain acknowledgements have work here. Releases the block
 * when there is nothing more to know. */
void episode_settle(struct tcb *tcb, struct recovery *recovery);
