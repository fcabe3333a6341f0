/* SPDX-License-Identifier: MIT */
#include "net/transport/tcp/prr.h"

#include "net/transport/tcp/congestion.h"
#include "net/transport/tcp/recovery_block.h"
#include "net/transport/tcp/scoreboard.h"
#include "net/transport/tcp/tcb.h"

void prr_begin(struct recovery *recovery, uint32_t flight_bytes)
{
    recovery->prr_flight_bytes = flight_bytes > 0 ? flight_bytes : 1;
    recovery->prr_delivered_bytes = recovery->prr_out_bytes = 0;
}

void prr_on_ack(struct tcb *tcb, struct recovery *recovery, uint32_t pipe_bytes,
                const struct delivery *delivery)
{
    uint32_t more = 0, unsent;

    recovery->prr_delivered_bytes += delivery->delivered_bytes;
    if (pipe_bytes > tcb->ssthresh) {
        uint64_t share = (uint64_t)recovery->prr_delivered_bytes * tcb->ssthresh;

        share = (share + recovery->prr_flight_bytes - 1) / recovery->prr_flight_bytes;
        if (share > recovery->prr_out_bytes) {
            more = (uint32_t)share - recovery->prr_out_bytes;
        }
    } else {
        unsent = recovery->prr_delivered_bytes > recovery->prr_out_bytes
                     ? recovery->prr_delivered_bytes - recovery->prr_out_bytes
                     : 0;
        more = unsent > delivery->delivered_bytes ? unsent : delivery->delivered_bytes;
        if (delivery->acknowledged_bytes > 0 && delivery->lost_bytes == 0) {
            more += tcb->mss; /* it goes well: slow start up to ssthresh */
        }
        if (more > tcb->ssthresh - pipe_bytes) {
            more = tcb->ssthresh - pipe_bytes;
        }
    }
    if (recovery->prr_out_bytes == 0 && more < tcb->mss) {
        more = tcb->mss; /* the first retransmission goes at once */
    }
    congestion_set_window(tcb, pipe_bytes + more);
}

void prr_on_send(struct recovery *recovery, uint32_t bytes)
{
    recovery->prr_out_bytes += bytes;
}
