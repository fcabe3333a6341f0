/* SPDX-License-Identifier: MIT */
#include "net/transport/tcp/probe.h"

#include "net/transport/tcp/recovery_block.h"
#include "net/transport/tcp/round_trip.h"
#include "net/transport/tcp/scoreboard.h"
#include "net/transport/tcp/sequence.h"
#include "net/transport/tcp/tcb.h"

/* Chosen, as most others have: the peer may delay the acknowledgement of a single segment. */
#define DELAYED_ACK_MAX_US 200000u
/* The wheel may be a tick late, at the peer too. */
#define SLACK_US           (2 * ROUND_TRIP_TICK_US)

uint32_t probe_timeout_us(const struct tcb *tcb, uint32_t flight_bytes)
{
    uint32_t timeout_us =
        (tcb->srtt_us8 >> 2) + (flight_bytes <= tcb->mss ? DELAYED_ACK_MAX_US : SLACK_US);

    return tcb->srtt_us8 != 0 && timeout_us < tcb->rto_us ? timeout_us : tcb->rto_us;
}

bool probe_is_possible(const struct tcb *tcb, const struct recovery *recovery)
{
    return (recovery->state == RECOVERY_OPEN && recovery->sacked_bytes == 0) ||
           recovery->lost_bytes > 0 || tcb_has_new(tcb);
}

void probe_set_due(struct recovery *recovery)
{
    recovery->is_probe_due = true;
}

void probe_note_sent(struct recovery *recovery, uint32_t end, bool is_again)
{
    recovery->is_probe_due = false;
    recovery->is_probe_sent = true;
    recovery->is_probe_again = is_again;
    recovery->probe_end = end;
}

void probe_forget(struct recovery *recovery)
{
    recovery->is_probe_due = recovery->is_probe_sent = false;
}

bool probe_acknowledge(struct recovery *recovery, uint32_t ack, const struct delivery *delivery)
{
    bool is_duplicate = delivery->duplicate_right != delivery->duplicate_left &&
                        delivery->duplicate_right == recovery->probe_end;

    if (delivery->acknowledged_bytes > 0 || delivery->has_sacked) {
        recovery->is_probe_due = false; /* something was heard */
    }
    if (recovery->is_probe_sent && !recovery->is_probe_again &&
        !sequence_is_before(recovery->rack_forward, recovery->probe_end)) {
        recovery->is_probe_sent = false; /* what is missing before it is recovery's */
    }
    if (!recovery->is_probe_sent || sequence_is_before(ack, recovery->probe_end)) {
        return false;
    }
    if (!recovery->is_probe_again || is_duplicate) {
        recovery->is_probe_sent = false; /* nothing was lost: both have come */
        return false;
    }
    if (ack == recovery->probe_end) {
        return false; /* the first of two, or of one: what follows says it */
    }
    recovery->is_probe_sent = false;
    return true;
}
