/* SPDX-License-Identifier: MIT */
/*
 * The retransmission time-out (RFC 6298): SRTT and RTTVAR in microseconds, a floor that is a
 * parameter (rto_option.h; RFC 6298 2.4 would have a second), 60 s at most, doubled for each
 * time-out until something that was sent once is measured.
 */
#pragma once

#include "kernel/platform.h"
#include "net/transport/tcp/tcb.h"

#define ROUND_TRIP_MAX_US    60000000u
#define ROUND_TRIP_FIRST_US  1000000u /* before anything is measured (RFC 6298 2.1) */
#define ROUND_TRIP_REPEAT_US 3000000u /* after a repeated handshake (5.7) */
#define ROUND_TRIP_TICK_US   1049u    /* the clock granularity G (2): a tick of the wheel */

/*
 * A back-off stays until something is measured (RFC 6298 3), so that a path that has become slower
 * is learnt. Where the peer keeps nothing that is out of order all is sent twice, and nothing can
 * be measured: time-outs with progress in between add no more to it. Chosen: learns an eightfold
 * time.
 */
#define ROUND_TRIP_BACKOFF_KEPT 3u

/* `round_trip_us`: of the handshake; 0: not known. */
void round_trip_open(struct tcb *tcb, uint32_t round_trip_us, bool is_handshake_repeated);
/* Of something that was sent once: at least 1. */
void round_trip_measure(struct tcb *tcb, uint32_t round_trip_us);
void round_trip_back_off(struct tcb *tcb);
/* Something is acknowledged: no more of it than is kept. */
void round_trip_ease(struct tcb *tcb);

extern uint32_t round_trip_floor_us; /* round_trip.c's: the parameter */
/* Apart from the common case: the first one, and long ones. */
void round_trip_take_first(struct tcb *tcb, uint32_t round_trip_us);
uint32_t round_trip_bounded_us(uint32_t srtt_us, uint32_t variation_us);

/* round_trip_measure() in line, for each acknowledgement's. */
__attribute__((always_inline)) static inline void round_trip_take(struct tcb *tcb,
                                                                  uint32_t round_trip_us)
{
    uint32_t srtt_us8 = tcb->srtt_us8, variation_us, timeout_us;
    int32_t error_us = (int32_t)(round_trip_us - (srtt_us8 >> 3));

    ASSERT_SLOW(round_trip_us > 0);
    if (UNLIKELY(srtt_us8 == 0 || round_trip_us > ROUND_TRIP_MAX_US)) {
        round_trip_take_first(tcb, round_trip_us);
        return;
    }
    if (round_trip_us < tcb->min_rtt_us) {
        tcb->min_rtt_us = round_trip_us;
    }
    variation_us = tcb->rttvar_us4;
    variation_us += (uint32_t)(error_us < 0 ? -error_us : error_us) - (variation_us >> 2);
    tcb->rttvar_us4 = variation_us;
    srtt_us8 += (uint32_t)error_us;
    tcb->srtt_us8 = srtt_us8;
    tcb->backoff_count = 0;
    timeout_us = (srtt_us8 >> 3) + variation_us;
    if (UNLIKELY(timeout_us >= round_trip_floor_us - ROUND_TRIP_TICK_US)) {
        timeout_us = round_trip_bounded_us(srtt_us8 >> 3, variation_us);
    } else {
        timeout_us = round_trip_floor_us;
    }
    tcb->rto_us = timeout_us;
}

static inline uint32_t round_trip_between(uint32_t sent_us, uint32_t now_us)
{
    return now_us == sent_us ? 1 : now_us - sent_us;
}

/* Reads the floor from the command line. */
void round_trip_initialise(void);
