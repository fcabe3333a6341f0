/* SPDX-License-Identifier: MIT */
/*
 * The one timer of loss recovery, for what is next: the time-out, or what stands in its place, a
 * probe or the reordering timer; the time-out is set when those have expired.
 */
#pragma once

#include "kernel/base.h"
#include "kernel/platform.h"
#include "net/transport/tcp/tcb.h"

/* What tcb->loss_deadline_us is for. */
enum loss_timer {
    LOSS_TIMER_NONE,
    LOSS_TIMER_RTO,
    LOSS_TIMER_PROBE,   /* PTO (RFC 8985 7.2) */
    LOSS_TIMER_REORDER, /* RFC 8985 6.2 step 5 */
};

void loss_timer_open(struct tcb *tcb);
void loss_timer_set(struct tcb *tcb, enum loss_timer timer, uint32_t timeout_us);
/* The same for who has asked for the time already. */
void loss_timer_set_from(struct tcb *tcb, uint32_t now_us, enum loss_timer timer,
                         uint32_t timeout_us);

/* For what is under way, from now on. */
void loss_timer_start(struct tcb *tcb);

/* Nothing is under way. */
static inline void loss_timer_stop(struct tcb *tcb)
{
    tcb->loss_timer = LOSS_TIMER_NONE;
}

/* Something is acknowledged: from now on again, or never. */
static inline void loss_timer_restart(struct tcb *tcb)
{
    if (LIKELY(tcb->snd_una == tcb->snd_max)) {
        loss_timer_stop(tcb);
    } else {
        loss_timer_start(tcb);
    }
}

/* The peer is there. */
static inline void loss_timer_note_heard(struct tcb *tcb)
{
    tcb->silent_timeouts = 0;
}
