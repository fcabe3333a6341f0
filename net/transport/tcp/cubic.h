/* SPDX-License-Identifier: MIT */
/*
 * CUBIC (RFC 9438): congestion avoidance in integers, within 0.1 % of the real numbers, and the
 * time at which the window is as large as before within 1 ms. Works on the variables in struct
 * recovery.
 */
#pragma once

#include "kernel/base.h"

struct recovery;
struct tcb;

/* New bytes are acknowledged in congestion avoidance, while cwnd limits what is sent. Returns what
 * cwnd shall be. */
uint32_t cubic_on_ack(struct tcb *tcb, struct recovery *recovery, uint32_t bytes);
/* Time in which cwnd limits nothing, which has passed until now, does not count. */
void cubic_skip_time(struct recovery *recovery);
/* Before cwnd changes for a loss or time-out. */
void cubic_on_loss(struct tcb *tcb, struct recovery *recovery);
void cubic_on_timeout(struct recovery *recovery);
/* It was none: cwnd is as before. */
void cubic_undo(struct tcb *tcb, struct recovery *recovery);
/* ssthresh for so much in flight: beta_cubic (4.6). */
uint32_t cubic_less(uint32_t flight_bytes);
/* The milliseconds in which the cubic function grows by so many bytes, from its plateau on:
 * cbrt(bytes / mss / 0.4) (4.2). */
uint32_t cubic_plateau_ms(uint32_t bytes, uint32_t mss);
/* Where it is so long after (or, negative, before) its plateau at `w_max` bytes. */
int64_t cubic_window_bytes(uint32_t w_max, int32_t time_ms, uint32_t mss);
