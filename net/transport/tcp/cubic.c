/* SPDX-License-Identifier: MIT */
/*
 * Windows are bytes, times of the function milliseconds, C is 0.4 segments a cubic second, beta 0.7
 * (RFC 9438 4.6), so alpha of the friendly region 9/17 (4.3).
 */
#include "net/transport/tcp/cubic.h"

#include "kernel/platform.h"
#include "net/transport/tcp/congestion.h"
#include "net/transport/tcp/recovery_block.h"
#include "net/transport/tcp/tcb.h"

#define BETA_1024       717u /* 0.7 */
#define FAST_1024       870u /* (1 + 0.7) / 2: fast convergence (4.7) */
#define ALPHA_NUMERATOR 9u   /* 3 * (1 - 0.7) / (1 + 0.7) */
#define ALPHA_DIVISOR   17u
/* 0.4 / 10^9 for milliseconds, times 2^46: of which 2^8, 2^22 and 2^16 are shifted out in turn. */
#define C_SCALED        28147
/* Two minutes: the cube stays below 2^51. A plateau is never that far. */
#define TIME_MAX_MS     131071

#define UPDATED_MAX_US (1u << 30) /* 18 minutes: clocks are compared by signed difference */

/* The integer cube root, by Newton's method from above: once an epoch. */
static uint32_t cube_root(uint64_t value)
{
    uint64_t root, next;

    if (value == 0) {
        return 0;
    }
    next = 1ull << ((64 - (unsigned)__builtin_clzll(value) + 2) / 3);
    do {
        root = next;
        next = (2 * root + value / (root * root)) / 3;
    } while (next < root);
    return (uint32_t)root;
}

uint32_t cubic_plateau_ms(uint32_t bytes, uint32_t mss)
{
    return cube_root(bytes * 2500000000ull / mss);
}

int64_t cubic_window_bytes(uint32_t w_max, int32_t time_ms, uint32_t mss)
{
    int64_t time, segments_65536;

    time = time_ms < -TIME_MAX_MS ? -TIME_MAX_MS : time_ms > TIME_MAX_MS ? TIME_MAX_MS : time_ms;
    segments_65536 = time * time * time / 256 * C_SCALED / (1 << 22);
    return w_max + segments_65536 * mss / 65536;
}

uint32_t cubic_less(uint32_t flight_bytes)
{
    return (uint32_t)((uint64_t)flight_bytes * BETA_1024 >> 10);
}

static void begin_epoch(struct tcb *tcb, struct recovery *recovery)
{
    recovery->has_epoch = true;
    recovery->epoch_us = recovery->updated_us = tcp_now_us();
    recovery->w_est = tcb->cwnd;
    recovery->cwnd_remainder = recovery->w_est_remainder = 0;
}

/* cwnd and w_est grow by real numbers: what is below a byte is carried on. */
static uint32_t take_whole(uint64_t numerator, uint64_t divisor, uint32_t *remainder)
{
    *remainder = (uint32_t)(numerator % divisor);
    return (uint32_t)(numerator / divisor);
}

/* RFC 9438 4.3: what Reno would have. */
static void grow_estimate(struct tcb *tcb, struct recovery *recovery, uint32_t bytes)
{
    uint64_t divisor = (uint64_t)tcb->cwnd * ALPHA_DIVISOR;
    uint32_t alpha = recovery->w_est < recovery->cwnd_prior ? ALPHA_NUMERATOR : ALPHA_DIVISOR;
    uint64_t grown = take_whole((uint64_t)bytes * tcb->mss * alpha + recovery->w_est_remainder,
                                divisor, &recovery->w_est_remainder);

    if (recovery->w_est < CONGESTION_MAX_BYTES) {
        recovery->w_est += (uint32_t)grown;
    }
}

uint32_t cubic_on_ack(struct tcb *tcb, struct recovery *recovery, uint32_t bytes)
{
    uint32_t now_us = tcp_now_us(), cwnd = tcb->cwnd;
    int64_t target, elapsed_us;
    int32_t time_ms;

    if (!recovery->has_epoch) {
        /* After a time-out or slow start w_max is less, and cwnd on the plateau. */
        if (cwnd >= recovery->w_max) {
            recovery->w_max = cwnd;
            recovery->k_ms = 0;
        } else {
            recovery->k_ms = (int32_t)cubic_plateau_ms(recovery->w_max - cwnd, tcb->mss);
        }
        begin_epoch(tcb, recovery);
    }
    elapsed_us = now_us - recovery->epoch_us;
    if (elapsed_us > UPDATED_MAX_US) { /* far beyond TIME_MAX_MS: hold it there */
        elapsed_us = UPDATED_MAX_US;
        recovery->epoch_us = now_us - UPDATED_MAX_US;
    }
    recovery->updated_us = now_us;
    grow_estimate(tcb, recovery, bytes);

    time_ms = (int32_t)(elapsed_us / 1000) - recovery->k_ms;
    target = cubic_window_bytes(recovery->w_max, time_ms, tcb->mss);
    if (target < recovery->w_est) {
        return cwnd < recovery->w_est ? recovery->w_est : cwnd;
    }
    /* Where it shall be in a round trip from now: at most half as much again (4.4). */
    time_ms = (int32_t)((elapsed_us + (tcb->srtt_us8 >> 3)) / 1000) - recovery->k_ms;
    target = cubic_window_bytes(recovery->w_max, time_ms, tcb->mss);
    target = target < cwnd ? cwnd : target > cwnd + cwnd / 2 ? cwnd + cwnd / 2 : target;
    return cwnd + take_whole((uint64_t)bytes * (uint64_t)(target - cwnd) + recovery->cwnd_remainder,
                             cwnd, &recovery->cwnd_remainder);
}

void cubic_skip_time(struct recovery *recovery)
{
    uint32_t now_us = tcp_now_us();

    if (recovery->has_epoch) {
        recovery->epoch_us += now_us - recovery->updated_us;
        recovery->updated_us = now_us;
    }
}

void cubic_on_loss(struct tcb *tcb, struct recovery *recovery)
{
    recovery->prior_w_max = recovery->w_max;
    recovery->cwnd_prior = tcb->cwnd;
    /* Fast convergence: who has less than the last time leaves room for others. */
    recovery->w_max =
        tcb->cwnd < recovery->w_max ? (uint32_t)((uint64_t)tcb->cwnd * FAST_1024 >> 10) : tcb->cwnd;
    recovery->has_epoch = false;
}

void cubic_on_timeout(struct recovery *recovery)
{
    recovery->w_max = 0; /* the next epoch begins on a plateau (4.8) */
    recovery->has_epoch = false;
}

/* An epoch that begins on the same curve at the same window goes on as the old one would have. */
void cubic_undo(struct tcb *tcb, struct recovery *recovery)
{
    recovery->w_max = recovery->prior_w_max;
    recovery->has_epoch = false;
    if (recovery->w_max != 0 && tcb->cwnd > recovery->w_max) {
        recovery->k_ms = -(int32_t)cubic_plateau_ms(tcb->cwnd - recovery->w_max, tcb->mss);
        begin_epoch(tcb, recovery);
    }
}
