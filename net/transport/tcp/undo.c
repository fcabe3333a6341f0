/* SPDX-License-Identifier: MIT */
#include "net/transport/tcp/undo.h"

#include "net/transport/tcp/congestion.h"
#include "net/transport/tcp/recovery_block.h"
#include "net/transport/tcp/scoreboard.h"
#include "net/transport/tcp/sequence.h"
#include "net/transport/tcp/tcb.h"

#define NEW_SEGMENTS 2u /* RFC 5682 2.1 step 2b */

void undo_begin(struct tcb *tcb, struct recovery *recovery, bool is_timeout)
{
    recovery->can_undo = true;
    recovery->was_overtaken = recovery->state == RECOVERY_FAST;
    recovery->undo_from = tcb->snd_una;
    recovery->undo_again_bytes = 0;
    recovery->frto_step = is_timeout ? FRTO_FIRST : FRTO_NONE;
}

void undo_end(struct recovery *recovery)
{
    recovery->can_undo = false;
    recovery->undo_again_bytes = 0;
    recovery->frto_step = FRTO_NONE;
}

void undo_stop_frto(struct recovery *recovery)
{
    recovery->frto_step = FRTO_NONE;
}

void undo_note_again(struct recovery *recovery, uint32_t bytes)
{
    recovery->undo_again_bytes += bytes;
}

uint32_t undo_quota_bytes(const struct tcb *tcb, const struct recovery *recovery)
{
    uint32_t sent_bytes = tcb->snd_max - recovery->undo_frto_max;

    return sent_bytes < NEW_SEGMENTS * tcb->mss ? NEW_SEGMENTS * tcb->mss - sent_bytes : 0;
}

bool undo_hides_lost(const struct tcb *tcb, const struct recovery *recovery)
{
    return recovery->frto_step == FRTO_SECOND &&
           (tcb->snd_max != recovery->undo_frto_max || tcb_has_new(tcb));
}

/* Everything that was sent again in this episode has come twice. */
static bool is_all_duplicate(struct tcb *tcb, struct recovery *recovery,
                             const struct delivery *delivery)
{
    uint32_t bytes = delivery->duplicate_right - delivery->duplicate_left;

    if (!recovery->can_undo || bytes == 0 || recovery->undo_again_bytes == 0 ||
        sequence_is_before(delivery->duplicate_left, recovery->undo_from) ||
        sequence_is_after(delivery->duplicate_right, tcb->snd_max)) {
        return false;
    }
    recovery->undo_again_bytes -=
        bytes < recovery->undo_again_bytes ? bytes : recovery->undo_again_bytes;
    return recovery->undo_again_bytes == 0;
}

/* RFC 5682 2.1, and with SACK 3.1: then bytes that arrive although they were not sent again are
 * known at once. */
static bool is_timeout_spurious(struct tcb *tcb, struct recovery *recovery,
                                const struct delivery *delivery, bool is_duplicate)
{
    if (recovery->frto_step == FRTO_NONE) {
        return false;
    }
    if (tcb->has_sack && delivery->has_original) {
        return true;
    }
    if (recovery->frto_step == FRTO_FIRST) {
        if (delivery->acknowledged_bytes == 0) {
            if (is_duplicate) {
                recovery->frto_step = FRTO_NONE;
            }
            return false;
        }
        recovery->undo_frto_max = tcb->snd_max;
        /* Without anything new there is only the conventional way. */
        recovery->frto_step = tcb_has_new(tcb) ? FRTO_SECOND : FRTO_NONE;
        return false;
    }
    if (delivery->acknowledged_bytes > 0 && !tcb->has_sack) {
        return true; /* only what was sent once can have done that (3b) */
    }
    if (is_duplicate || delivery->has_sacked) {
        recovery->frto_step = FRTO_NONE; /* 3a: the loss is real, and so many have left */
        if (tcb->cwnd < (NEW_SEGMENTS + 1) * tcb->mss) {
            congestion_set_window(tcb, (NEW_SEGMENTS + 1) * tcb->mss);
        }
    }
    return false;
}

bool undo_acknowledge(struct tcb *tcb, struct recovery *recovery, const struct delivery *delivery,
                      bool is_duplicate)
{
    bool is_late = recovery->state == RECOVERY_TIMEOUT &&
                   is_timeout_spurious(tcb, recovery, delivery, is_duplicate);

    return is_all_duplicate(tcb, recovery, delivery) || is_late;
}
