/* SPDX-License-Identifier: MIT */
/*
 * The retransmission time-out (RFC 6298), in slow ticks. lwIP's fields keep it: `sa` is eight
 * round-trip times, `sv` four deviations. hooks.h lends these functions to lwIP, which knows what
 * was sent once only and so may be measured.
 */
#pragma once

#include "net/transport/lwip/tcp.h"

/* Until there is a measurement (RFC 6298 2.1): a second, not lwIP's three. */
#define ROUND_TRIP_FIRST_TICKS (1000 / TCP_SLOW_INTERVAL)
/* The same when the SYN-ACK had to be sent again (RFC 6298 5.7). */
#define ROUND_TRIP_LOSSY_TICKS (3000 / TCP_SLOW_INTERVAL)
/* RFC 6298 2.4 wants a second at least; as other systems we take 200 to 300 ms, which is above
 * their delayed acknowledgements. */
#define ROUND_TRIP_LEAST_TICKS 3
/* The least that RFC 6298 2.5 allows as the most: a connection whose peer has vanished has an end.
 */
#define ROUND_TRIP_MOST_TICKS  (60000 / TCP_SLOW_INTERVAL)
/* Added to the first deviation: one measurement says little. Chosen. */
#define ROUND_TRIP_DOUBT_TICKS 5
/* As `sa`: nothing has been measured. */
#define ROUND_TRIP_UNKNOWN     (-1)

static inline s16_t round_trip_limit(int ticks)
{
    if (ticks < ROUND_TRIP_LEAST_TICKS) {
        return ROUND_TRIP_LEAST_TICKS;
    }
    return (s16_t)(ticks < ROUND_TRIP_MOST_TICKS ? ticks : ROUND_TRIP_MOST_TICKS);
}

/* Nothing is known of the way to the peer but whether segments have been lost on it. */
static inline void round_trip_forget(struct tcp_pcb *pcb, bool is_lossy)
{
    pcb->sa = ROUND_TRIP_UNKNOWN;
    pcb->rto = is_lossy ? ROUND_TRIP_LOSSY_TICKS : ROUND_TRIP_FIRST_TICKS;
}

/* A measurement, of something that was sent once (RFC 6298 2.2, 2.3). */
static inline void round_trip_note(struct tcp_pcb *pcb, u32_t ticks)
{
    int measured = (int)(ticks < ROUND_TRIP_MOST_TICKS ? ticks : ROUND_TRIP_MOST_TICKS);

    if (pcb->sa < 0) {
        pcb->sa = (s16_t)(measured << 3);
        pcb->sv = (s16_t)(measured * 2 + ROUND_TRIP_DOUBT_TICKS);
    } else {
        int error = measured - (pcb->sa >> 3);

        pcb->sa = (s16_t)(pcb->sa + error);
        pcb->sv = (s16_t)(pcb->sv + (error < 0 ? -error : error) - (pcb->sv >> 2));
    }
    pcb->rto = round_trip_limit((pcb->sa >> 3) + pcb->sv);
}

/* It has expired (RFC 6298 5.5). */
static inline void round_trip_back_off(struct tcp_pcb *pcb)
{
    pcb->rto = round_trip_limit(pcb->rto * 2);
}
