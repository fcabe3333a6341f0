/* SPDX-License-Identifier: MIT */
/*
 * lost_from saves recovery from looking through the queue for each segment that it sends again:
 * nothing before it is lost. It points to a reference under way, and moves on when that is
 * released.
 */
#include "net/transport/tcp/scoreboard.h"

#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "net/transport/counters.h"
#include "net/transport/tcp/options.h"
#include "net/transport/tcp/rack.h"
#include "net/transport/tcp/recovery_block.h"
#include "net/transport/tcp/round_trip.h"
#include "net/transport/tcp/sequence.h"
#include "net/transport/tcp/tcb.h"

/* Chosen: what honest receivers make of a flight that loses every other segment, and some. */
#define SPLITS_PER_SEGMENT 2u
#define SPLITS_MORE        16u

void scoreboard_open(struct tcb *tcb, struct recovery *recovery)
{
    for (const struct reference *reference = tcb->queue_head; reference != tcb->unsent;
         reference = reference->next) {
        if ((reference->flags & REFERENCE_LOST) != 0) {
            recovery->lost_bytes += scoreboard_length(reference);
        }
    }
}

void scoreboard_clear(struct recovery *recovery)
{
    ASSERT_SLOW(recovery->sacked_bytes == 0 && recovery->lost_bytes == 0);
    recovery->split_count = 0;
    recovery->lost_from = NULL;
}

void scoreboard_set_counted(struct recovery *recovery, uint32_t bytes)
{
    recovery->sacked_bytes = bytes;
}

void scoreboard_mark_lost(struct recovery *recovery, struct reference *reference)
{
    ASSERT_SLOW((reference->flags & (REFERENCE_SACKED | REFERENCE_LOST)) == 0);
    reference->flags |= REFERENCE_LOST;
    reference->flags &= (uint8_t)~REFERENCE_RETRANSMITTED;
    recovery->lost_bytes += scoreboard_length(reference);
    if (recovery->lost_from != NULL &&
        sequence_is_before(reference->sequence, recovery->lost_from->sequence)) {
        recovery->lost_from = reference;
    }
}

static void unmark_lost(struct recovery *recovery, struct reference *reference)
{
    if ((reference->flags & REFERENCE_LOST) != 0) {
        ASSERT_SLOW(recovery->lost_bytes >= scoreboard_length(reference));
        reference->flags &= (uint8_t)~REFERENCE_LOST;
        recovery->lost_bytes -= scoreboard_length(reference);
    }
}

struct reference *scoreboard_first_lost(const struct tcb *tcb, const struct recovery *recovery)
{
    struct reference *reference =
        recovery->lost_from != NULL ? recovery->lost_from : tcb->queue_head;

    if (recovery->lost_bytes == 0) {
        return NULL;
    }
    while (reference != tcb->unsent && (reference->flags & REFERENCE_LOST) == 0) {
        reference = reference->next;
    }
    ASSERT(reference != tcb->unsent);
    return reference;
}

/* What was sent last, and once, was not kept back by others. */
static void measure(const struct reference *reference, struct delivery *delivery)
{
    uint32_t round_trip_us = round_trip_between(reference->sent_us, tcp_now_us());

    if (delivery->round_trip_us == 0 || round_trip_us < delivery->round_trip_us) {
        delivery->round_trip_us = round_trip_us;
    }
}

void scoreboard_note_again(struct tcb *tcb, struct recovery *recovery, struct reference *reference)
{
    if ((reference->flags & REFERENCE_LOST) != 0 &&
        reference == scoreboard_first_lost(tcb, recovery)) {
        recovery->lost_from = reference->next;
    }
    unmark_lost(recovery, reference);
}

/* So much of what a reference begins with has arrived, as became known now. */
static void deliver(struct tcb *tcb, struct recovery *recovery, const struct reference *reference,
                    uint32_t bytes, struct delivery *delivery)
{
    uint32_t end = reference->sequence + bytes;

    delivery->delivered_bytes += bytes;
    if (reference->sent_count == 1) {
        measure(reference, delivery);
        if (!sequence_is_after(end, recovery->recover)) {
            delivery->has_original = true;
        }
    }
    rack_deliver(tcb, recovery, reference, end);
}

/* `bytes` of what the reference begins with leave the queue. */
static void forget(struct recovery *recovery, struct reference *reference, uint32_t bytes)
{
    if ((reference->flags & REFERENCE_SACKED) != 0) {
        recovery->sacked_bytes -= bytes;
    } else if ((reference->flags & REFERENCE_LOST) != 0) {
        recovery->lost_bytes -= bytes;
    }
    if (reference == recovery->lost_from) {
        recovery->lost_from = NULL; /* the head, then: all before it goes as well */
    }
}

void scoreboard_acknowledge(struct tcb *tcb, struct recovery *recovery, uint32_t ack,
                            struct delivery *delivery)
{
    struct reference *reference = tcb->queue_head;

    delivery->acknowledged_bytes = ack - tcb->snd_una;
    while (reference != tcb->unsent && sequence_is_before(reference->sequence, ack)) {
        uint32_t bytes = scoreboard_length(reference);

        if (bytes > ack - reference->sequence) {
            bytes = ack - reference->sequence;
        }
        if (reference->sent_count > 1) {
            delivery->is_again_acknowledged = true;
        }
        if (!tcb->has_sack) {
            delivery->delivered_bytes += bytes; /* newreno.c knows how many are new */
            if (reference->sent_count == 1) {
                measure(reference, delivery);
            }
        } else if ((reference->flags & REFERENCE_SACKED) == 0) {
            deliver(tcb, recovery, reference, bytes, delivery);
        }
        forget(recovery, reference, bytes);
        reference = reference->next;
    }
}

static bool can_split(const struct tcb *tcb, const struct recovery *recovery)
{
    uint32_t segments = (tcb->snd_max - tcb->snd_una) / tcb->mss;

    return recovery->split_count < SPLITS_PER_SEGMENT * segments + SPLITS_MORE &&
           recovery->split_count < UINT16_MAX;
}

/* The reference that begins at `edge`, which lies inside this one; NULL, and counted: it stays
 * whole. */
static struct reference *split(struct tcb *tcb, struct recovery *recovery,
                               struct reference *reference, uint32_t edge)
{
    struct reference *behind = can_split(tcb, recovery) ? queue_split(tcb, reference, edge) : NULL;

    if (behind == NULL) {
        counter_increment(COUNTER_TCP_SACK_EDGES_IGNORED);
        return NULL;
    }
    recovery->split_count++;
    return behind;
}

/* Mark what lies in [left, right). Returns where the next block may begin: at or behind. */
static struct reference *mark(struct tcb *tcb, struct recovery *recovery,
                              struct reference *reference, const uint32_t block[2],
                              struct delivery *delivery)
{
    uint32_t left = block[0], right = block[1];

    while (reference != tcb->unsent && !sequence_is_after(reference_end(reference), left)) {
        reference = reference->next;
    }
    while (reference != tcb->unsent && sequence_is_before(reference->sequence, right)) {
        struct reference *behind = reference->next;

        if ((reference->flags & REFERENCE_SACKED) != 0) {
            reference = behind;
            continue;
        }
        if (sequence_is_before(reference->sequence, left)) {
            behind = split(tcb, recovery, reference, left);
            reference = behind != NULL ? behind : reference->next;
            continue;
        }
        if (sequence_is_after(reference_end(reference), right)) {
            behind = split(tcb, recovery, reference, right);
            if (behind == NULL) {
                return reference;
            }
        }
        unmark_lost(recovery, reference);
        reference->flags |= REFERENCE_SACKED;
        reference->flags &= (uint8_t)~REFERENCE_RETRANSMITTED;
        recovery->sacked_bytes += scoreboard_length(reference);
        delivery->has_sacked = true;
        deliver(tcb, recovery, reference, scoreboard_length(reference), delivery);
        reference = behind;
    }
    return reference;
}

/* RFC 2883 4: the first block lies below the acknowledgement, or inside the second. */
static bool is_duplicate_block(const struct tcp_options *options, uint32_t ack)
{
    const uint32_t *first = options->sack[0], *second = options->sack[1];

    if (!sequence_is_before(first[0], first[1])) {
        return false;
    }
    return !sequence_is_after(first[1], ack) ||
           (options->sack_count > 1 && !sequence_is_before(first[0], second[0]) &&
            !sequence_is_after(first[1], second[1]));
}

void scoreboard_sack(struct tcb *tcb, struct recovery *recovery, const struct tcp_options *options,
                     uint32_t ack, struct delivery *delivery)
{
    uint32_t blocks[TCP_OPTION_SACK_BLOCKS_MAX][2];
    unsigned count = 0, i = 0;
    struct reference *reference = tcb->queue_head;

    if (options->sack_count > 0 && is_duplicate_block(options, ack)) {
        delivery->duplicate_left = options->sack[0][0];
        delivery->duplicate_right = options->sack[0][1];
        i = 1;
    }
    /* Those that are valid, in order: so one pass over the queue does, and reordering is not seen
     * where the peer only says first what has come last. */
    for (; i < options->sack_count; i++) {
        uint32_t left = options->sack[i][0], right = options->sack[i][1];
        unsigned place = count;

        if (!sequence_is_before(tcb->snd_una, left) || !sequence_is_before(left, right) ||
            sequence_is_after(right, tcb->snd_max)) {
            continue; /* old, or not of what was sent */
        }
        for (; place > 0 && sequence_is_before(left, blocks[place - 1][0]); place--) {
            blocks[place][0] = blocks[place - 1][0];
            blocks[place][1] = blocks[place - 1][1];
        }
        blocks[place][0] = left;
        blocks[place][1] = right;
        count++;
    }
    for (i = 0; i < count; i++) {
        reference = mark(tcb, recovery, reference, blocks[i], delivery);
    }
    ASSERT_SLOW(recovery->sacked_bytes + recovery->lost_bytes <= tcb->snd_max - tcb->snd_una);
}

void scoreboard_forget_sacked(struct tcb *tcb, struct recovery *recovery)
{
    for (struct reference *reference = tcb->queue_head; reference != tcb->unsent;
         reference = reference->next) {
        reference->flags &= (uint8_t)~REFERENCE_SACKED;
    }
    recovery->sacked_bytes = 0;
}

void scoreboard_forget_lost(struct tcb *tcb, struct recovery *recovery)
{
    for (struct reference *reference = tcb->queue_head; reference != tcb->unsent;
         reference = reference->next) {
        reference->flags &= (uint8_t)~REFERENCE_LOST;
    }
    recovery->lost_bytes = 0;
}
