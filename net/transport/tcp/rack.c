/* SPDX-License-Identifier: MIT */
/*
 * A reference may be several segments that were sent at one time, in one frame that the card has
 * cut; and all that is sent in a round has one time. So "sent before" is by time, then by end: of
 * a burst only what lies below its highest arrival is lost.
 */
#include "net/transport/tcp/rack.h"

#include "kernel/platform.h"
#include "net/transport/tcp/recovery_block.h"
#include "net/transport/tcp/round_trip.h"
#include "net/transport/tcp/scoreboard.h"
#include "net/transport/tcp/sequence.h"
#include "net/transport/tcp/tcb.h"

#define DUPLICATE_THRESHOLD 3u  /* segments: RFC 5681's, RFC 8985 6.2 step 4 */
#define PERSIST_RECOVERIES  16u /* step 4 */

void rack_open(struct recovery *recovery, uint32_t snd_una)
{
    recovery->reorder_multiple = 1;
    recovery->rack_forward = snd_una;
}

static bool is_sent_after(uint32_t sent_us, uint32_t end, uint32_t other_us, uint32_t other_end)
{
    return sent_us == other_us ? sequence_is_after(end, other_end)
                               : (int32_t)(sent_us - other_us) > 0;
}

void rack_deliver_plain(struct recovery *recovery, uint32_t sent_us, uint32_t end,
                        uint32_t round_trip_us)
{
    if (recovery->rack_rtt_us == 0 ||
        is_sent_after(sent_us, end, recovery->rack_sent_us, recovery->rack_end)) {
        recovery->rack_sent_us = sent_us;
        recovery->rack_end = end;
        recovery->rack_rtt_us = round_trip_us;
    }
    if (sequence_is_after(end, recovery->rack_forward)) {
        recovery->rack_forward = end;
    }
}

void rack_deliver(struct tcb *tcb, struct recovery *recovery, const struct reference *reference,
                  uint32_t end)
{
    uint32_t round_trip_us = round_trip_between(reference->sent_us, tcp_now_us());

    if (reference->sent_count == 1 && sequence_is_before(end, recovery->rack_forward)) {
        recovery->is_reordering_seen = true;
    }
    if (reference->sent_count > 1 && round_trip_us < tcb->min_rtt_us) {
        return; /* step 2: it was the one sent before */
    }
    rack_deliver_plain(recovery, reference->sent_us, end, round_trip_us);
}

void rack_note_duplicate(struct tcb *tcb, struct recovery *recovery)
{
    if (recovery->is_duplicate_round &&
        sequence_is_before(tcb->snd_una, recovery->duplicate_round_end)) {
        return;
    }
    recovery->is_duplicate_round = true;
    recovery->duplicate_round_end = tcb->snd_max;
    recovery->reorder_persist = PERSIST_RECOVERIES;
    if (recovery->reorder_multiple < UINT8_MAX) {
        recovery->reorder_multiple++;
    }
}

void rack_note_reordering(struct recovery *recovery)
{
    recovery->is_reordering_seen = true;
}

void rack_forget(struct recovery *recovery)
{
    recovery->rack_rtt_us = 0;
}

void rack_note_recovered(struct recovery *recovery)
{
    if (recovery->reorder_persist > 0 && --recovery->reorder_persist == 0) {
        recovery->reorder_multiple = 1;
    }
}

/* Step 4. */
static uint32_t reorder_window_us(const struct tcb *tcb, const struct recovery *recovery)
{
    uint64_t window_us = (uint64_t)recovery->reorder_multiple * (tcb->min_rtt_us / 4);

    if (!recovery->is_reordering_seen &&
        (recovery->state != RECOVERY_OPEN ||
         recovery->sacked_bytes >= DUPLICATE_THRESHOLD * tcb->mss)) {
        return 0;
    }
    return window_us < tcb->srtt_us8 >> 3 ? (uint32_t)window_us : tcb->srtt_us8 >> 3;
}

uint32_t rack_detect(struct tcb *tcb, struct recovery *recovery)
{
    uint32_t now_us = tcp_now_us(), most_us = 0, allowed_us;

    if (recovery->rack_rtt_us == 0) {
        return 0;
    }
    allowed_us = recovery->rack_rtt_us + reorder_window_us(tcb, recovery);
    for (struct reference *reference = tcb->queue_head; reference != tcb->unsent;
         reference = reference->next) {
        int32_t left_us;

        if ((reference->flags & (REFERENCE_SACKED | REFERENCE_LOST)) != 0 ||
            !is_sent_after(recovery->rack_sent_us, recovery->rack_end, reference->sent_us,
                           reference_end(reference))) {
            continue;
        }
        left_us = (int32_t)(reference->sent_us + allowed_us - now_us);
        if (left_us <= 0) {
            scoreboard_mark_lost(recovery, reference);
        } else if ((uint32_t)left_us > most_us) {
            most_us = (uint32_t)left_us;
        }
    }
    return most_us;
}

void rack_mark_timed_out(struct tcb *tcb, struct recovery *recovery)
{
    uint32_t now_us = tcp_now_us();
    uint32_t round_trip_us =
        recovery->rack_rtt_us != 0 ? recovery->rack_rtt_us : tcb->srtt_us8 >> 3;
    /* Without SACK nothing else would find them: all of it goes again. */
    uint32_t allowed_us = tcb->has_sack ? round_trip_us + reorder_window_us(tcb, recovery) : 0;

    for (struct reference *reference = tcb->queue_head; reference != tcb->unsent;
         reference = reference->next) {
        if ((reference->flags & (REFERENCE_SACKED | REFERENCE_LOST)) == 0 &&
            (reference == tcb->queue_head ||
             (int32_t)(reference->sent_us + allowed_us - now_us) <= 0)) {
            scoreboard_mark_lost(recovery, reference);
        }
    }
}
