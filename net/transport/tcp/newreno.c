/* SPDX-License-Identifier: MIT */
#include "net/transport/tcp/newreno.h"

#include "net/transport/tcp/recovery_block.h"
#include "net/transport/tcp/scoreboard.h"
#include "net/transport/tcp/sequence.h"
#include "net/transport/tcp/tcb.h"

#define DUPLICATE_THRESHOLD 3u

/* The head itself has not arrived: that much cannot be counted. */
static void set_counted(struct tcb *tcb, struct recovery *recovery, uint32_t bytes)
{
    uint32_t flight_bytes = tcb->snd_max - tcb->snd_una;
    uint32_t rest = recovery->lost_bytes > tcb->mss ? recovery->lost_bytes : tcb->mss;
    uint32_t most = flight_bytes > rest ? flight_bytes - rest : 0;

    scoreboard_set_counted(recovery, bytes < most ? bytes : most);
}

void newreno_mark_head(struct tcb *tcb, struct recovery *recovery)
{
    struct reference *head = tcb->queue_head;

    if (head == tcb->unsent || (head->flags & REFERENCE_LOST) != 0) {
        return;
    }
    /* Without memory it stays whole, and all of it goes again. */
    if (scoreboard_length(head) > tcb->mss) {
        (void)queue_split(tcb, head, head->sequence + tcb->mss);
    }
    scoreboard_mark_lost(recovery, head);
    set_counted(tcb, recovery, recovery->sacked_bytes);
}

void newreno_duplicate(struct tcb *tcb, struct recovery *recovery, unsigned count,
                       struct delivery *delivery)
{
    uint32_t before = recovery->sacked_bytes;

    tcb->duplicate_acks =
        (uint8_t)(tcb->duplicate_acks + count < UINT8_MAX ? tcb->duplicate_acks + count
                                                          : UINT8_MAX);
    set_counted(tcb, recovery, before + count * tcb->mss);
    if (recovery->sacked_bytes > before) {
        delivery->delivered_bytes += recovery->sacked_bytes - before;
    }
    /* Of what was under way at the last recovery or time-out these may be echoes of our own
     * retransmissions (RFC 6582 3.2, 4.1). */
    if (recovery->state == RECOVERY_OPEN && tcb->duplicate_acks >= DUPLICATE_THRESHOLD &&
        sequence_is_after(tcb->snd_una, recovery->recover)) {
        newreno_mark_head(tcb, recovery);
    }
}

void newreno_acknowledge(struct tcb *tcb, struct recovery *recovery, struct delivery *delivery)
{
    uint32_t acknowledged = delivery->acknowledged_bytes, counted = recovery->sacked_bytes;
    uint32_t hole = acknowledged < tcb->mss ? acknowledged : tcb->mss;

    /* Besides the segment that filled the hole, what was counted as arrived comes first. */
    delivery->delivered_bytes = acknowledged > counted + hole ? acknowledged - counted : hole;
    counted -= acknowledged - hole < counted ? acknowledged - hole : counted;
    set_counted(tcb, recovery, recovery->state != RECOVERY_OPEN ? counted : 0);
    newreno_forget(tcb);
    if (recovery->state == RECOVERY_FAST && sequence_is_before(tcb->snd_una, recovery->recover)) {
        newreno_mark_head(tcb, recovery);
    }
}
