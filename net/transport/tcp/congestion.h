/* SPDX-License-Identifier: MIT */
/*
 * How fast to send: CUBIC (RFC 9438) with its friendly region, slow start by HyStart++ (RFC 9406),
 * an initial window of ten segments (RFC 6928), and less after idle time (RFC 5681 4.1). Integers.
 */
#pragma once

#include "kernel/base.h"
#include "kernel/platform.h"
#include "net/transport/tcp/tcb.h"

/* Chosen: a second at 1 Gb/s, or 100 ms at 10 Gb/s; CUBIC's remainders fit in 32 bits. */
#define CONGESTION_MAX_BYTES    (128u << 20)
#define CONGESTION_SSTHRESH_MAX UINT32_MAX /* no loss was seen yet */

/* Who uses more than half of it has shown that the network carries that much: slow start goes on
 * (RFC 7661 4.2, whose pipeACK is what is under way). A peer's window that grows with what it gets,
 * as Linux's does, is often a little behind cwnd, and would else be what is doubled. */
enum cwnd_use { CWND_SPARE, CWND_HALF, CWND_FULL /* it keeps more from going */ };

/* After a handshake whose SYN or SYN-ACK was lost it begins with one segment (RFC 5681 3.1). */
void congestion_open(struct tcb *tcb, bool is_handshake_repeated, uint32_t now_us);
/* Ten segments, but at most 14,600 bytes unless those are two (RFC 6928 2). */
uint32_t congestion_initial_bytes(const struct tcb *tcb);
/* New bytes are acknowledged outside recovery. `ack_count`: segments that said so (a merged one
 * stands for several). `rtt_us`: a measurement, or 0. */
void congestion_on_ack(struct tcb *tcb, uint32_t bytes, unsigned ack_count, uint32_t rtt_us);
/* A loss, once an episode: sets ssthresh from what was in flight, or from cwnd if that was what
 * kept more from it; PRR leads cwnd there. */
void congestion_on_loss(struct tcb *tcb, uint32_t flight_bytes);
/* A time-out: ssthresh likewise if `is_first` of its episode; cwnd is one segment. */
void congestion_on_timeout(struct tcb *tcb, uint32_t flight_bytes, bool is_first);
/* What recovery finds right while it lasts, and when it ends. */
void congestion_set_window(struct tcb *tcb, uint32_t bytes);
/* The loss or time-out was none: as before it. */
void congestion_undo(struct tcb *tcb);
/* Before something is sent after nothing was under way. */
__attribute__((noinline)) void congestion_after_idle(struct tcb *tcb);
/* Something went, and then so much of cwnd was in use. */
void congestion_on_send(struct tcb *tcb, enum cwnd_use use);

/* Whether the first of these has anything to do: mostly not. */
static inline bool congestion_is_idle(const struct tcb *tcb, uint32_t now_us)
{
    return tcb->recovery != NULL || now_us - tcb->last_send_us >= tcb->rto_us;
}

/* The second: all that there was went. */
static inline void congestion_on_send_all(struct tcb *tcb, uint32_t now_us)
{
    tcb->cwnd_use = CWND_SPARE;
    tcb->last_send_us = now_us;
}
