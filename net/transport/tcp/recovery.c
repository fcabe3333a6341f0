/* SPDX-License-Identifier: MIT */
/*
 * An acknowledgement while nothing is lost is handled on a short way, all others by the parts of
 * recovery in turn: what it brings, what that says of losses, and the state of the episode.
 * loss_timer.c has what happens when nothing comes.
 */
#include "net/transport/tcp/recovery.h"

#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "net/counters.h"
#include "net/packet.h"
#include "net/transport/counters.h"
#include "net/transport/tcp/congestion.h"
#include "net/transport/tcp/episode.h"
#include "net/transport/tcp/loss_timer.h"
#include "net/transport/tcp/newreno.h"
#include "net/transport/tcp/options.h"
#include "net/transport/tcp/probe.h"
#include "net/transport/tcp/prr.h"
#include "net/transport/tcp/queue.h"
#include "net/transport/tcp/rack.h"
#include "net/transport/tcp/recovery_block.h"
#include "net/transport/tcp/round_trip.h"
#include "net/transport/tcp/scoreboard.h"
#include "net/transport/tcp/sequence.h"
#include "net/transport/tcp/tcb.h"
#include "net/transport/tcp/undo.h"

void recovery_open(struct tcb *tcb, uint32_t round_trip_us, bool is_handshake_repeated)
{
    newreno_forget(tcb);
    loss_timer_open(tcb);
    recovery_block_open(tcb);
    round_trip_open(tcb, round_trip_us, is_handshake_repeated);
}

/* --- Acknowledgements --- */

/* The common one: something new, and nothing is missing. */
__attribute__((always_inline)) static inline void acknowledge_plain(struct tcb *tcb,
                                                                    const struct packet *packet)
{
    struct recovery *recovery = tcb->recovery;
    const struct reference *newest = tcb->queue_head, *next;
    uint32_t ack = packet->acknowledgment, bytes = ack - tcb->snd_una, round_trip_us = 0;
    bool is_again = newest->sent_count != 1; /* whose acknowledgement is it? (RFC 6298 3) */

    while ((next = newest->next) != tcb->unsent && sequence_is_before(next->sequence, ack)) {
        newest = next;
        is_again |= next->sent_count != 1;
    }
    if (LIKELY(!is_again)) {
        round_trip_us = round_trip_between(newest->sent_us, tcp_now_us());
        round_trip_take(tcb, round_trip_us);
        if (UNLIKELY(recovery != NULL)) {
            rack_deliver_plain(recovery, newest->sent_us, ack, round_trip_us);
        }
    }
    newreno_forget(tcb);
    loss_timer_note_heard(tcb);
    queue_release(tcb, ack);
    if (UNLIKELY(tcb->cwnd_use != CWND_SPARE || recovery != NULL)) {
        congestion_on_ack(tcb, bytes, 1u + packet->merged_count, round_trip_us);
        recovery = tcb->recovery;
    }
    loss_timer_restart(tcb);
    if (UNLIKELY(recovery != NULL)) {
        episode_settle(tcb, recovery);
    }
}

/* Apart: recovery_acknowledge_only() needs few registers. */
__attribute__((noinline)) void recovery_acknowledge_plain(struct tcb *tcb,
                                                          const struct packet *packet)
{
    ASSERT_SLOW(tcb->recovery == NULL || tcb->recovery->is_quiet);
    acknowledge_plain(tcb, packet);
}

inline __attribute__((always_inline)) bool recovery_acknowledge_only(struct tcb *tcb)
{
    const struct reference *only = tcb->queue_head;

    ASSERT_SLOW(tcb->recovery == NULL && tcb->reference_count == 1 && tcb->unsent == NULL);
    if (UNLIKELY(tcb->cwnd_use != CWND_SPARE || only->sent_count != 1)) {
        return false;
    }
    round_trip_take(tcb, round_trip_between(only->sent_us, tcp_now_us()));
    newreno_forget(tcb);
    loss_timer_note_heard(tcb);
    loss_timer_stop(tcb);
    queue_release_only(tcb);
    return true;
}

/* Marks, sums and measurements; the queue is shorter then. */
static void take_news(struct tcb *tcb, struct recovery *recovery, const struct packet *packet,
                      const struct tcp_options *options, bool is_duplicate,
                      struct delivery *delivery)
{
    uint32_t ack = packet->acknowledgment;

    if (sequence_is_after(ack, tcb->snd_una)) {
        scoreboard_acknowledge(tcb, recovery, ack, delivery);
        queue_release(tcb, ack);
        loss_timer_note_heard(tcb);
        round_trip_ease(tcb);
    }
    if (tcb->has_sack) {
        if (options != NULL) {
            scoreboard_sack(tcb, recovery, options, ack, delivery);
        }
    } else if (delivery->acknowledged_bytes > 0) {
        newreno_acknowledge(tcb, recovery, delivery);
    } else if (is_duplicate) {
        newreno_duplicate(tcb, recovery, 1u + packet->merged_count, delivery);
    }
    if (delivery->round_trip_us != 0 && !delivery->is_again_acknowledged) {
        round_trip_measure(tcb, delivery->round_trip_us);
    } else {
        delivery->round_trip_us = 0;
    }
    if (delivery->duplicate_left != delivery->duplicate_right) {
        rack_note_duplicate(tcb, recovery);
    }
}

/* What the news means for the episode, or that one begins, and so for cwnd. */
static void advance(struct tcb *tcb, struct recovery *recovery, const struct packet *packet,
                    const struct delivery *delivery)
{
    switch ((enum recovery_state)recovery->state) {
    case RECOVERY_OPEN:
        if (recovery->lost_bytes > 0) {
            episode_begin_fast(tcb, recovery, delivery->delivered_bytes);
            prr_on_ack(tcb, recovery, recovery_pipe_bytes(tcb), delivery);
            break;
        }
        if (delivery->acknowledged_bytes > 0) {
            congestion_on_ack(tcb, delivery->acknowledged_bytes, 1u + packet->merged_count,
                              delivery->round_trip_us);
        }
        break;
    case RECOVERY_FAST:
        prr_on_ack(tcb, recovery, recovery_pipe_bytes(tcb), delivery);
        break;
    case RECOVERY_TIMEOUT:
        if (delivery->acknowledged_bytes > 0) {
            congestion_on_ack(tcb, delivery->acknowledged_bytes, 1u + packet->merged_count,
                              delivery->round_trip_us);
        }
        break;
    }
}

/* Apart from the short way, which saves few registers. */
static __attribute__((noinline)) void acknowledge_all(struct tcb *tcb, struct recovery *recovery,
                                                      const struct packet *packet,
                                                      const struct tcp_options *options,
                                                      bool is_duplicate)
{
    struct delivery delivery = {0};
    uint32_t una_before = tcb->snd_una, lost_before, reorder_us = 0;
    bool is_restarting;

    take_news(tcb, recovery, packet, options, is_duplicate, &delivery);
    if (undo_acknowledge(tcb, recovery, &delivery, is_duplicate)) {
        episode_undo(tcb, recovery);
    }
    if (recovery->state != RECOVERY_OPEN && !sequence_is_before(tcb->snd_una, recovery->recover)) {
        episode_end(tcb, recovery);
    } else if (recovery->can_undo && recovery->state == RECOVERY_OPEN &&
               delivery.acknowledged_bytes > 0 &&
               !sequence_is_before(una_before, recovery->recover)) {
        undo_end(recovery); /* what was sent after it has come: so have all D-SACKs */
    }
    if (probe_acknowledge(recovery, tcb->snd_una, &delivery) && recovery->state == RECOVERY_OPEN) {
        /* What is under way now says nothing of what was, when the segment was lost. */
        congestion_on_loss(tcb, tcb->cwnd);
        congestion_set_window(tcb, tcb->ssthresh);
        undo_end(recovery); /* what would be restored is that, now */
    }
    lost_before = recovery->lost_bytes;
    if (tcb->has_sack) {
        reorder_us = rack_detect(tcb, recovery);
        delivery.lost_bytes = recovery->lost_bytes - lost_before;
    }
    advance(tcb, recovery, packet, &delivery);

    /* Without SACK an acknowledgement of a part restarts the time-out once: a flight with many
     * holes had better time out (RFC 6582 4). */
    is_restarting =
        (delivery.acknowledged_bytes > 0 || delivery.has_sacked) &&
        (tcb->has_sack || recovery->state != RECOVERY_FAST || una_before == recovery->undo_from);
    episode_settle(tcb, recovery);
    if (reorder_us != 0) {
        loss_timer_set(tcb, LOSS_TIMER_REORDER, reorder_us);
    } else if (is_restarting || tcb->loss_timer != LOSS_TIMER_RTO) {
        loss_timer_restart(tcb);
    }
}

/* What is not plain. Returns whether it is done with. */
static bool acknowledge_odd(struct tcb *tcb, const struct packet *packet,
                            const struct tcp_options *options, bool is_new, bool has_blocks,
                            bool is_duplicate)
{
    struct recovery *recovery;

    if (tcb->snd_una == tcb->snd_max && tcb->recovery == NULL) {
        return true; /* nothing is under way that could be lost */
    }
    if (tcb->snd_wnd < tcb->mss) {
        loss_timer_note_heard(tcb); /* it answers that it cannot take more (RFC 9293 3.8.6.1) */
    }
    is_duplicate = is_duplicate && !tcb->has_sack && tcb->snd_una != tcb->snd_max;
    if (!is_new && !has_blocks && !is_duplicate) {
        return true;
    }
    recovery = recovery_block(tcb);
    if (recovery == NULL) {
        return !is_new;
    }
    acknowledge_all(tcb, recovery, packet, options, is_duplicate);
    return true;
}

uint32_t recovery_acknowledge(struct tcb *tcb, const struct packet *packet,
                              const struct tcp_options *options, bool is_duplicate)
{
    uint32_t bytes = packet->acknowledgment - tcb->snd_una;
    bool has_blocks = options != NULL && options->sack_count > 0 && tcb->has_sack;
    bool is_quiet = tcb->recovery == NULL || tcb->recovery->is_quiet;

    ASSERT_SLOW(!sequence_is_after(packet->acknowledgment, tcb->snd_max));
    if (bytes == 0 || has_blocks || !is_quiet) {
        if (acknowledge_odd(tcb, packet, options, bytes != 0, has_blocks, is_duplicate)) {
            return bytes;
        }
    }
    acknowledge_plain(tcb, packet);
    return bytes;
}

/* --- What may be sent, and was --- */

uint32_t recovery_pipe_bytes(const struct tcb *tcb)
{
    const struct recovery *recovery = tcb->recovery;

    return recovery == NULL
               ? (tcb->snd_max - tcb->snd_una)
               : tcb->snd_max - tcb->snd_una - recovery->sacked_bytes - recovery->lost_bytes;
}

uint32_t recovery_quota_bytes(const struct tcb *tcb)
{
    const struct recovery *recovery = tcb->recovery;
    uint32_t pipe_bytes = recovery_pipe_bytes(tcb);

    if (recovery != NULL && undo_hides_lost(tcb, recovery)) {
        return undo_quota_bytes(tcb, recovery);
    }
    if (UNLIKELY(recovery == NULL && !recovery_is_plain(tcb))) {
        return tcb->mss;
    }
    return tcb->cwnd > pipe_bytes ? tcb->cwnd - pipe_bytes : 0;
}

struct reference *recovery_next_lost(const struct tcb *tcb)
{
    const struct recovery *recovery = tcb->recovery;

    if (LIKELY(recovery == NULL)) {
        return UNLIKELY(!recovery_is_plain(tcb)) ? tcb->queue_head : NULL;
    }
    return undo_hides_lost(tcb, recovery) ? NULL : scoreboard_first_lost(tcb, recovery);
}

/* A reference goes again. */
static void note_again(struct tcb *tcb, struct reference *reference)
{
    struct recovery *recovery = tcb->recovery;
    uint32_t bytes = scoreboard_length(reference);

    counter_add(COUNTER_TCP_RETRANSMITS, (bytes + tcb->mss - 1) / tcb->mss);
    if (recovery != NULL) {
        scoreboard_note_again(tcb, recovery, reference);
        if (!recovery->is_probe_due) {
            undo_note_again(recovery, bytes);
        }
    }
    reference->flags &= (uint8_t)~REFERENCE_LOST;
    reference->flags |= REFERENCE_RETRANSMITTED;
}

/* Something lost, a probe, or what goes while something is missing. */
static __attribute__((noinline)) void note_sent_all(struct tcb *tcb, struct reference *first,
                                                    const struct reference *end)
{
    struct recovery *recovery = tcb->recovery;
    bool is_again = first->sent_count != 0, is_head = first == tcb->queue_head;
    const struct reference *last = first;
    uint32_t now_us = tcp_now_us();

    for (struct reference *reference = first; reference != end; reference = reference->next) {
        if (reference->sent_count != 0) {
            note_again(tcb, reference);
        }
        if (reference->sent_count < UINT8_MAX) {
            reference->sent_count++;
        }
        reference->sent_us = now_us;
        if (recovery != NULL && recovery->state == RECOVERY_FAST) {
            prr_on_send(recovery, scoreboard_length(reference));
        }
        last = reference;
    }
    if (recovery != NULL && recovery->is_probe_due) {
        /* Its answer may only say of a loss what the episode has not said. */
        is_again = is_again && recovery->state == RECOVERY_OPEN;
        probe_note_sent(recovery, reference_end(last), is_again);
        loss_timer_set(tcb, LOSS_TIMER_RTO, tcb->rto_us);
    } else if (tcb->loss_timer == LOSS_TIMER_NONE || tcb->loss_timer == LOSS_TIMER_PROBE) {
        loss_timer_restart(tcb);
    } else if (is_head && tcb->loss_timer == LOSS_TIMER_RTO &&
               (tcb->has_sack || recovery == NULL || recovery->state != RECOVERY_FAST)) {
        /* Without SACK only acknowledgements do, as acknowledge_all() has it. */
        loss_timer_restart(tcb);
    }
}

/* From `first` to before `end`, for the first time. */
__attribute__((always_inline)) static inline void
note_new(struct tcb *tcb, struct reference *first, const struct reference *end, uint32_t now_us)
{
    struct reference *reference = first;

    do {
        ASSERT_SLOW(reference->sent_count == 0);
        reference->sent_count = 1;
        reference->sent_us = now_us;
        reference = reference->next;
    } while (reference != end);
    if (tcb->has_sack) {
        loss_timer_set_from(tcb, now_us, LOSS_TIMER_PROBE,
                            probe_timeout_us(tcb, tcb->snd_max - tcb->snd_una));
    } else if (tcb->loss_timer == LOSS_TIMER_NONE) {
        loss_timer_set_from(tcb, now_us, LOSS_TIMER_RTO, tcb->rto_us);
    } /* else it is for what was sent before (RFC 6298 5.1) */
}

void recovery_note_all_sent(struct tcb *tcb, uint32_t now_us)
{
    ASSERT_SLOW(tcb->recovery == NULL || tcb->recovery->is_quiet);
    ASSERT_SLOW(tcb->unsent == NULL);
    note_new(tcb, tcb->queue_head, NULL, now_us);
}

void recovery_note_sent(struct tcb *tcb, struct reference *first, const struct reference *end)
{

    if (UNLIKELY(first->sent_count != 0 || (tcb->recovery != NULL && !tcb->recovery->is_quiet))) {
        note_sent_all(tcb, first, end);
    } else {
        note_new(tcb, first, end, tcp_now_us());
    }
}

bool recovery_is_probe_due(const struct tcb *tcb)
{
    return tcb->recovery != NULL && tcb->recovery->is_probe_due &&
           probe_is_possible(tcb, tcb->recovery);
}

void recovery_drop(struct tcb *tcb)
{
    loss_timer_open(tcb);
    recovery_block_release(tcb);
}

void recovery_initialise(void)
{
    round_trip_initialise();
}
