/* SPDX-License-Identifier: MIT */
/*
 * SRTT is kept eight times as large as it is, RTTVAR four times: so the averages of RFC 6298 2.3
 * need no fractions.
 */
#include "net/transport/tcp/round_trip.h"

#include "kernel/platform.h"
#include "net/transport/tcp/rto_option.h"
#include "net/transport/tcp/tcb.h"

/* What its field holds. */
#define BACKOFF_MOST 127u

uint32_t round_trip_floor_us = RTO_MIN_DEFAULT_MS * 1000;

_Static_assert(RTO_MIN_LEAST_MS * 1000 > ROUND_TRIP_TICK_US, "as round_trip_take() has it");

inline uint32_t round_trip_bounded_us(uint32_t srtt_us, uint32_t variation_us)
{
    uint32_t timeout_us =
        srtt_us + (variation_us > ROUND_TRIP_TICK_US ? variation_us : ROUND_TRIP_TICK_US);

    if (timeout_us < round_trip_floor_us) {
        return round_trip_floor_us;
    }
    return timeout_us < ROUND_TRIP_MAX_US ? timeout_us : ROUND_TRIP_MAX_US;
}

/* The time-out is no longer than that, either. */
static inline uint32_t limit(uint32_t round_trip_us)
{
    return round_trip_us < ROUND_TRIP_MAX_US ? round_trip_us : ROUND_TRIP_MAX_US;
}

/* RFC 6298 2.2. */
static inline void set_first(struct tcb *tcb, uint32_t round_trip_us)
{
    tcb->min_rtt_us = round_trip_us;
    tcb->srtt_us8 = round_trip_us * 8;
    tcb->rttvar_us4 = round_trip_us * 2;
    tcb->backoff_count = 0;
    tcb->rto_us = round_trip_bounded_us(round_trip_us, round_trip_us * 2);
}

void round_trip_take_first(struct tcb *tcb, uint32_t round_trip_us)
{
    round_trip_us = limit(round_trip_us);
    if (tcb->srtt_us8 != 0) {
        round_trip_take(tcb, round_trip_us);
    } else {
        set_first(tcb, round_trip_us);
    }
}

void round_trip_measure(struct tcb *tcb, uint32_t round_trip_us)
{
    round_trip_take(tcb, round_trip_us);
}

void round_trip_back_off(struct tcb *tcb)
{
    if (tcb->backoff_count < BACKOFF_MOST) {
        tcb->backoff_count++;
    }
    tcb->rto_us = tcb->rto_us < ROUND_TRIP_MAX_US / 2 ? tcb->rto_us * 2 : ROUND_TRIP_MAX_US;
}

/* From what was measured, since a long back-off says nothing of it: it ends at the greatest. */
void round_trip_ease(struct tcb *tcb)
{
    if (LIKELY(tcb->backoff_count <= ROUND_TRIP_BACKOFF_KEPT)) {
        return;
    }
    tcb->backoff_count = 0;
    tcb->rto_us = tcb->srtt_us8 == 0 ? ROUND_TRIP_FIRST_US
                                     : round_trip_bounded_us(tcb->srtt_us8 / 8, tcb->rttvar_us4);
    while (tcb->backoff_count < ROUND_TRIP_BACKOFF_KEPT) {
        round_trip_back_off(tcb);
    }
}

/* Inline: once for each connection. */
inline void round_trip_open(struct tcb *tcb, uint32_t round_trip_us, bool is_handshake_repeated)
{
    if (LIKELY(round_trip_us != 0)) {
        set_first(tcb, limit(round_trip_us));
        return;
    }
    tcb->srtt_us8 = tcb->rttvar_us4 = tcb->min_rtt_us = 0;
    tcb->backoff_count = 0;
    tcb->rto_us = is_handshake_repeated ? ROUND_TRIP_REPEAT_US : ROUND_TRIP_FIRST_US;
}

void round_trip_initialise(void)
{
    round_trip_floor_us = rto_option_min_us(platform_command_line());
}
