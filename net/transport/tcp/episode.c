/* SPDX-License-Identifier: MIT */
#include "net/transport/tcp/episode.h"

#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "net/transport/counters.h"
#include "net/transport/tcp/congestion.h"
#include "net/transport/tcp/newreno.h"
#include "net/transport/tcp/probe.h"
#include "net/transport/tcp/prr.h"
#include "net/transport/tcp/rack.h"
#include "net/transport/tcp/recovery_block.h"
#include "net/transport/tcp/scoreboard.h"
#include "net/transport/tcp/sequence.h"
#include "net/transport/tcp/tcb.h"
#include "net/transport/tcp/undo.h"

void episode_open(struct tcb *tcb, struct recovery *recovery)
{
    bool is_lost = recovery->lost_bytes != 0;

    recovery->state = is_lost ? RECOVERY_TIMEOUT : RECOVERY_OPEN;
    recovery->recover = is_lost ? tcb->snd_max : tcb->snd_una - 1;
    recovery->is_quiet = !is_lost;
}

void episode_settle(struct tcb *tcb, struct recovery *recovery)
{
    bool is_clean = recovery->sacked_bytes == 0 && recovery->lost_bytes == 0;

    ASSERT_SLOW(recovery->sacked_bytes + recovery->lost_bytes <= tcb->snd_max - tcb->snd_una);
    if (is_clean) {
        scoreboard_clear(recovery);
    }
    /* It follows snd_una, so that it is never as far as a wrap away. */
    if (recovery->state == RECOVERY_OPEN && sequence_is_after(tcb->snd_una, recovery->recover)) {
        recovery->recover = tcb->snd_una - 1;
    }
    recovery->is_quiet = is_clean && recovery->state == RECOVERY_OPEN && !recovery->can_undo &&
                         !recovery->is_probe_due && !recovery->is_probe_sent;
    if (recovery->is_quiet && tcb->snd_una == tcb->snd_max &&
        tcb->cwnd <= congestion_initial_bytes(tcb)) {
        recovery_block_release(tcb);
    }
}

void episode_begin_fast(struct tcb *tcb, struct recovery *recovery, uint32_t delivered_bytes)
{
    /* RFC 9937 6: what was under way before this acknowledgement. */
    uint32_t flight_bytes = tcb->snd_max - tcb->snd_una - recovery->sacked_bytes + delivered_bytes;

    ASSERT(recovery->state == RECOVERY_OPEN);
    recovery->state = RECOVERY_FAST;
    recovery->recover = tcb->snd_max;
    probe_forget(recovery);
    undo_begin(tcb, recovery, false);
    congestion_on_loss(tcb, flight_bytes);
    prr_begin(recovery, flight_bytes);
    counter_increment(COUNTER_TCP_FAST_RECOVERIES);
}

void episode_begin_slow_start(struct tcb *tcb, struct recovery *recovery)
{
    recovery->state = RECOVERY_TIMEOUT;
    recovery->recover = tcb->snd_max;
    probe_forget(recovery);
    if (!tcb->has_sack) {
        newreno_forget(tcb);
        scoreboard_set_counted(recovery, 0);
    }
}

void episode_end(struct tcb *tcb, struct recovery *recovery)
{
    ASSERT(recovery->state != RECOVERY_OPEN);
    if (recovery->state == RECOVERY_FAST) {
        congestion_set_window(tcb, tcb->ssthresh);
    }
    recovery->state = RECOVERY_OPEN;
    undo_stop_frto(recovery);
    rack_note_recovered(recovery);
    if (!tcb->has_sack) {
        scoreboard_set_counted(recovery, 0);
    }
}

void episode_undo(struct tcb *tcb, struct recovery *recovery)
{
    counter_increment(COUNTER_TCP_LOSSES_UNDONE);
    recovery->state = RECOVERY_OPEN;
    scoreboard_forget_lost(tcb, recovery);
    rack_forget(recovery);
    if (recovery->was_overtaken) {
        rack_note_reordering(recovery);
    }
    congestion_undo(tcb);
    undo_end(recovery);
}
