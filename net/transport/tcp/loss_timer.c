/* SPDX-License-Identifier: MIT */
/*
 * The timer, and what recovery does when time has passed: its part of recovery.h.
 */
#include "net/transport/tcp/loss_timer.h"

#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "net/transport/counters.h"
#include "net/transport/tcp/congestion.h"
#include "net/transport/tcp/episode.h"
#include "net/transport/tcp/probe.h"
#include "net/transport/tcp/queue.h"
#include "net/transport/tcp/rack.h"
#include "net/transport/tcp/recovery.h"
#include "net/transport/tcp/recovery_block.h"
#include "net/transport/tcp/round_trip.h"
#include "net/transport/tcp/scoreboard.h"
#include "net/transport/tcp/send_buffer.h"
#include "net/transport/tcp/sequence.h"
#include "net/transport/tcp/undo.h"

/* A card that has not read its ring since: its link may be down, or it never will. Chosen: 20
 * minutes. Then it is a time-out, of which there may be twelve. */
#define HELD_HERE_MAX_US 1200000000u

void loss_timer_open(struct tcb *tcb)
{
    tcb->loss_timer = LOSS_TIMER_NONE;
    tcb->silent_timeouts = 0;
}

inline void loss_timer_set_from(struct tcb *tcb, uint32_t now_us, enum loss_timer timer,
                                uint32_t timeout_us)
{
    tcb->loss_timer = (uint8_t)timer;
    tcb->loss_deadline_us = now_us + timeout_us;
}

void loss_timer_set(struct tcb *tcb, enum loss_timer timer, uint32_t timeout_us)
{
    loss_timer_set_from(tcb, tcp_now_us(), timer, timeout_us);
}

/* RFC 8985 7.2: not after a time-out, nor while a probe is out. */
static bool can_probe(const struct tcb *tcb)
{
    const struct recovery *recovery = tcb->recovery;

    return tcb->has_sack && (recovery == NULL || recovery->is_quiet ||
                             (recovery->state != RECOVERY_TIMEOUT && !recovery->is_probe_due &&
                              !recovery->is_probe_sent && probe_is_possible(tcb, recovery)));
}

void loss_timer_start(struct tcb *tcb)
{
    if (can_probe(tcb)) {
        loss_timer_set(tcb, LOSS_TIMER_PROBE, probe_timeout_us(tcb, tcb->snd_max - tcb->snd_una));
    } else {
        loss_timer_set(tcb, LOSS_TIMER_RTO, tcb->rto_us);
    }
}

bool recovery_deadline(const struct tcb *tcb, uint32_t *deadline_us)
{
    *deadline_us = tcb->loss_deadline_us;
    return tcb->loss_timer != LOSS_TIMER_NONE;
}

static void expire_probe(struct tcb *tcb)
{
    struct recovery *recovery = recovery_block(tcb);

    loss_timer_set(tcb, LOSS_TIMER_RTO, tcb->rto_us);
    if (recovery != NULL) {
        probe_set_due(recovery);
        episode_settle(tcb, recovery);
        counter_increment(COUNTER_TCP_PROBES);
    }
}

static void expire_reorder(struct tcb *tcb, struct recovery *recovery)
{
    uint32_t left_us = rack_detect(tcb, recovery);

    if (recovery->lost_bytes > 0 && recovery->state == RECOVERY_OPEN) {
        episode_begin_fast(tcb, recovery, 0);
        /* PRR has more when something comes. */
        congestion_set_window(tcb, recovery_pipe_bytes(tcb) + tcb->mss);
    }
    episode_settle(tcb, recovery);
    if (left_us != 0) {
        loss_timer_set(tcb, LOSS_TIMER_REORDER, left_us);
    } else {
        loss_timer_restart(tcb);
    }
}

/* No memory for more: the first segment goes again, and the next one after the next time-out. */
static void time_out_poor(struct tcb *tcb)
{
    struct reference *head = tcb->queue_head;

    if (scoreboard_length(head) > tcb->mss) {
        (void)queue_split(tcb, head, head->sequence + tcb->mss);
    }
    head->flags = (uint8_t)((head->flags & ~REFERENCE_RETRANSMITTED) | REFERENCE_LOST);
    congestion_on_timeout(tcb, tcb->snd_max - tcb->snd_una, tcb->silent_timeouts == 1);
}

static void time_out(struct tcb *tcb, struct recovery *recovery)
{
    bool is_first = recovery->state == RECOVERY_OPEN ||
                    (recovery->state == RECOVERY_TIMEOUT && tcb->silent_timeouts == 1);

    if ((tcb->queue_head->flags & REFERENCE_SACKED) != 0) {
        counter_increment(COUNTER_TCP_SACK_RENEGED);
        scoreboard_forget_sacked(tcb, recovery);
    }
    if (is_first) {
        undo_begin(tcb, recovery, recovery->state == RECOVERY_OPEN);
    } else if (recovery->state == RECOVERY_FAST) {
        undo_stop_frto(recovery);
    }
    congestion_on_timeout(tcb, tcb->snd_max - tcb->snd_una - recovery->sacked_bytes, is_first);
    episode_begin_slow_start(tcb, recovery);
    rack_mark_timed_out(tcb, recovery);
    /* One segment, whatever is not lost yet. */
    congestion_set_window(tcb, recovery_pipe_bytes(tcb) + tcb->mss);
    episode_settle(tcb, recovery);
}

/* A frame with the oldest bytes still lies in the card's ring: it holds their buffer, beside the
 * references that do. (Bytes of the archive have none: of them it is not known.) */
static bool is_in_ring(const struct tcb *tcb)
{
    const struct send_buffer *buffer = tcb->queue_head->buffer;
    uint32_t reference_count = 0;

    if (buffer == NULL) {
        return false;
    }
    for (const struct reference *reference = tcb->queue_head;
         reference != NULL && reference->buffer == buffer; reference = reference->next) {
        reference_count++;
    }
    return buffer->holder_count > reference_count;
}

/* The last time-out's segment has found no room in the card's ring since. */
static bool is_waiting_to_send(const struct tcb *tcb)
{
    return (tcb->recovery == NULL || tcb->recovery->state == RECOVERY_TIMEOUT) &&
           recovery_next_lost(tcb) == tcb->queue_head && recovery_quota_bytes(tcb) >= tcb->mss;
}

/* So long, but not for ever. */
static bool is_held_here(const struct tcb *tcb)
{
    return tcp_now_us() - tcb->queue_head->sent_us < HELD_HERE_MAX_US &&
           (is_waiting_to_send(tcb) || is_in_ring(tcb));
}

bool recovery_expire(struct tcb *tcb)
{
    struct recovery *recovery = tcb->recovery;

    if (tcb->loss_timer == LOSS_TIMER_NONE || !time_has_come(tcp_now_us(), tcb->loss_deadline_us)) {
        return true;
    }
    ASSERT(tcb->snd_una != tcb->snd_max);
    switch ((enum loss_timer)tcb->loss_timer) {
    case LOSS_TIMER_PROBE:
        expire_probe(tcb);
        return true;
    case LOSS_TIMER_REORDER:
        ASSERT(recovery != NULL);
        expire_reorder(tcb, recovery);
        return true;
    case LOSS_TIMER_RTO:
    case LOSS_TIMER_NONE:
        break;
    }
    if (is_held_here(tcb)) { /* what the peer cannot know is no silence */
        loss_timer_set(tcb, LOSS_TIMER_RTO, tcb->rto_us);
        return true;
    }
    if (tcb->silent_timeouts == RECOVERY_TIMEOUTS_MAX) {
        return false;
    }
    tcb->silent_timeouts++;
    counter_increment(COUNTER_TCP_TIMEOUTS);
    recovery = recovery_block(tcb);
    if (recovery != NULL) {
        time_out(tcb, recovery);
    } else {
        time_out_poor(tcb);
    }
    if (tcb->silent_timeouts > 1 || tcb->backoff_count < ROUND_TRIP_BACKOFF_KEPT) {
        round_trip_back_off(tcb);
    }
    loss_timer_set(tcb, LOSS_TIMER_RTO, tcb->rto_us);
    return true;
}

void recovery_mark_all_lost(struct tcb *tcb)
{
    struct recovery *recovery = tcb->snd_una != tcb->snd_max ? recovery_block(tcb) : NULL;

    if (recovery == NULL) {
        return; /* nothing is under way; or, without memory, the time-out finds it */
    }
    if (recovery->state == RECOVERY_FAST) {
        congestion_set_window(tcb, tcb->ssthresh); /* where that was to lead */
    }
    episode_begin_slow_start(tcb, recovery);
    for (struct reference *reference = tcb->queue_head; reference != tcb->unsent;
         reference = reference->next) {
        if ((reference->flags & (REFERENCE_SACKED | REFERENCE_LOST)) == 0) {
            scoreboard_mark_lost(recovery, reference);
        }
    }
    undo_end(recovery);
    episode_settle(tcb, recovery);
    loss_timer_set(tcb, LOSS_TIMER_RTO, tcb->rto_us);
}
