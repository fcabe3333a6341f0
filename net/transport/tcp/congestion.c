/* SPDX-License-Identifier: MIT */
/*
 * Which of the algorithms has the window, and what a loss does to it. Without memory for CUBIC's
 * variables the window stays as it is in congestion avoidance, and a loss makes it smaller as ever.
 */
#include "net/transport/tcp/congestion.h"

#include "kernel/platform.h"
#include "net/transport/tcp/cubic.h"
#include "net/transport/tcp/hystart.h"
#include "net/transport/tcp/recovery_block.h"
#include "net/transport/tcp/tcb.h"

#define INITIAL_SEGMENTS 10u
#define INITIAL_BYTES    14600u

uint32_t congestion_initial_bytes(const struct tcb *tcb)
{
    uint32_t bytes = tcb->mss * INITIAL_SEGMENTS;

    if (bytes <= INITIAL_BYTES) {
        return bytes;
    }
    return tcb->mss * 2u > INITIAL_BYTES ? tcb->mss * 2u : INITIAL_BYTES;
}

void congestion_open(struct tcb *tcb, bool is_handshake_repeated, uint32_t now_us)
{
    tcb->cwnd = is_handshake_repeated ? tcb->mss : congestion_initial_bytes(tcb);
    tcb->ssthresh = CONGESTION_SSTHRESH_MAX;
    tcb->cwnd_use = CWND_SPARE;
    tcb->last_send_us = now_us;
    hystart_open(tcb);
}

void congestion_on_ack(struct tcb *tcb, uint32_t bytes, unsigned ack_count, uint32_t rtt_us)
{
    struct recovery *recovery = tcb->recovery;
    bool is_slow_start = tcb->cwnd < tcb->ssthresh, is_over = false;

    /* What does not use its window must not widen it (RFC 9438 5.8); what is lost waits for it. */
    if (tcb->cwnd_use < (is_slow_start ? CWND_HALF : CWND_FULL) &&
        (recovery == NULL || recovery->lost_bytes == 0)) {
        if (recovery != NULL) {
            cubic_skip_time(recovery);
        }
        return;
    }
    if (is_slow_start) {
        congestion_set_window(tcb, tcb->cwnd +
                                       hystart_increase(tcb, bytes, ack_count, rtt_us, &is_over));
        if (is_over) {
            tcb->ssthresh = tcb->cwnd;
        }
        return;
    }
    recovery = recovery_block(tcb);
    if (recovery != NULL) {
        congestion_set_window(tcb, cubic_on_ack(tcb, recovery, bytes));
    }
}

static void reduce(struct tcb *tcb, uint32_t flight_bytes)
{
    struct recovery *recovery = tcb->recovery;

    if (recovery != NULL) { /* else recovery.c had no memory for it */
        recovery->prior_cwnd = tcb->cwnd;
        recovery->prior_ssthresh = tcb->ssthresh;
        cubic_on_loss(tcb, recovery);
    }
    /* What acknowledgements have just let go, or what waits for more of them, is not in flight but
     * in use: the network has carried it. A window that the application has not filled has not
     * grown, either, so cwnd may stand for the flight (RFC 9438 4.6). */
    if (tcb->cwnd_use == CWND_FULL && flight_bytes < tcb->cwnd) {
        flight_bytes = tcb->cwnd;
    }
    tcb->ssthresh = cubic_less(flight_bytes);
    if (tcb->ssthresh < tcb->mss * 2u) {
        tcb->ssthresh = tcb->mss * 2u;
    }
}

void congestion_on_loss(struct tcb *tcb, uint32_t flight_bytes)
{
    reduce(tcb, flight_bytes);
}

void congestion_on_timeout(struct tcb *tcb, uint32_t flight_bytes, bool is_first)
{
    if (is_first) {
        reduce(tcb, flight_bytes);
    }
    if (tcb->recovery != NULL) {
        cubic_on_timeout(tcb->recovery);
    }
    tcb->cwnd = tcb->mss;
}

void congestion_set_window(struct tcb *tcb, uint32_t bytes)
{
    tcb->cwnd = bytes < CONGESTION_MAX_BYTES ? bytes : CONGESTION_MAX_BYTES;
}

void congestion_undo(struct tcb *tcb)
{
    struct recovery *recovery = tcb->recovery;

    ASSERT(recovery != NULL);
    if (tcb->cwnd < recovery->prior_cwnd) {
        tcb->cwnd = recovery->prior_cwnd;
    }
    if (tcb->ssthresh < recovery->prior_ssthresh) {
        tcb->ssthresh = recovery->prior_ssthresh;
    }
    cubic_undo(tcb, recovery);
}

void congestion_after_idle(struct tcb *tcb)
{
    /* The clock wraps after 71 minutes: a longer time counts as what is beyond them. */
    uint32_t idle_us = tcp_now_us() - tcb->last_send_us, least;

    if (tcb->recovery != NULL) {
        cubic_skip_time(tcb->recovery);
    }
    if (LIKELY(idle_us < tcb->rto_us)) {
        return;
    }
    least = congestion_initial_bytes(tcb);
    if (tcb->cwnd <= least) {
        return;
    }
    /* RFC 5681 4.1 lets it go back to the initial window at once: halving is gentler, and ssthresh
     * remembers, as RFC 2861 3.2 has it. */
    if (tcb->ssthresh < tcb->cwnd / 4 * 3) {
        tcb->ssthresh = tcb->cwnd / 4 * 3;
    }
    while (idle_us >= tcb->rto_us && tcb->cwnd > least) {
        tcb->cwnd /= 2;
        idle_us -= tcb->rto_us;
    }
    if (tcb->cwnd < least) {
        tcb->cwnd = least;
    }
    tcb->cwnd_use = CWND_SPARE;
}

void congestion_on_send(struct tcb *tcb, enum cwnd_use use)
{
    tcb->cwnd_use = (uint8_t)use;
    tcb->last_send_us = tcp_now_us();
}
