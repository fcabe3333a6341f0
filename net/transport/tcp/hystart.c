/* SPDX-License-Identifier: MIT */
/*
 * Names are those of RFC 9406 4.2 and 4.3, in our spelling. A merged acknowledgement stands for
 * several that came at once, and counts as so many samples.
 */
#include "net/transport/tcp/hystart.h"

#include "net/transport/tcp/congestion.h"
#include "net/transport/tcp/sequence.h"
#include "net/transport/tcp/tcb.h"

#define MIN_RTT_THRESHOLD_US 4000u
#define MAX_RTT_THRESHOLD_US 16000u
#define MIN_RTT_DIVISOR      8u
#define RTT_SAMPLES          8u
#define CSS_GROWTH_DIVISOR   4u
#define CSS_ROUNDS           5u
/*
 * Segments for each acknowledgement, in later slow starts (L, 4.2): one of them may stand for what
 * had come before the time-out. The first has no such limit, as if it were paced. A receiver that
 * merges segments acknowledges tens of them at once, and the network has just carried those in one
 * burst; what goes then is twice as long.
 */
#define GROWTH_LIMIT         8u

#define NO_RTT 0u

void hystart_open(struct tcb *tcb)
{
    tcb->hystart_round_samples = 0;
    tcb->hystart_css_rounds = 0;
    tcb->hystart_round_end = tcb->snd_max;
    tcb->hystart_last_min_us = tcb->hystart_this_min_us = tcb->hystart_css_base_us = NO_RTT;
}

/* All that was sent when it began is acknowledged. hystart_css_rounds counts from 1 in CSS; returns
 * whether slow start goes on. */
static bool end_round(struct tcb *tcb)
{
    tcb->hystart_last_min_us = tcb->hystart_this_min_us;
    tcb->hystart_this_min_us = NO_RTT;
    tcb->hystart_round_samples = 0;
    tcb->hystart_round_end = tcb->snd_max;
    return tcb->hystart_css_rounds == 0 || ++tcb->hystart_css_rounds <= CSS_ROUNDS;
}

static void take_sample(struct tcb *tcb, unsigned ack_count, uint32_t rtt_us)
{
    uint32_t last_us = tcb->hystart_last_min_us, threshold_us = last_us / MIN_RTT_DIVISOR;

    if (tcb->hystart_this_min_us == NO_RTT || rtt_us < tcb->hystart_this_min_us) {
        tcb->hystart_this_min_us = rtt_us;
    }
    if (ack_count >= RTT_SAMPLES - tcb->hystart_round_samples) {
        tcb->hystart_round_samples = RTT_SAMPLES;
    } else {
        tcb->hystart_round_samples = (uint8_t)(tcb->hystart_round_samples + ack_count);
        return;
    }
    if (threshold_us < MIN_RTT_THRESHOLD_US) {
        threshold_us = MIN_RTT_THRESHOLD_US;
    } else if (threshold_us > MAX_RTT_THRESHOLD_US) {
        threshold_us = MAX_RTT_THRESHOLD_US;
    }
    if (tcb->hystart_css_rounds == 0) {
        if (last_us != NO_RTT && tcb->hystart_this_min_us >= last_us + threshold_us) {
            tcb->hystart_css_base_us = tcb->hystart_this_min_us;
            tcb->hystart_css_rounds = 1;
        }
    } else if (tcb->hystart_this_min_us < tcb->hystart_css_base_us) {
        tcb->hystart_css_rounds = 0; /* it was jitter */
    }
}

uint32_t hystart_increase(struct tcb *tcb, uint32_t bytes, unsigned ack_count, uint32_t rtt_us,
                          bool *is_over)
{
    *is_over = false;
    if (tcb->ssthresh != CONGESTION_SSTHRESH_MAX) {
        uint32_t most = GROWTH_LIMIT * ack_count * tcb->mss;

        /* Not further than to where congestion avoidance begins. */
        most = most < tcb->ssthresh - tcb->cwnd ? most : tcb->ssthresh - tcb->cwnd;
        return bytes < most ? bytes : most;
    }
    if (rtt_us != 0) {
        take_sample(tcb, ack_count, rtt_us);
    }
    if (tcb->hystart_css_rounds > 0) {
        bytes /= CSS_GROWTH_DIVISOR;
    }
    *is_over = !sequence_is_before(tcb->snd_una, tcb->hystart_round_end) && !end_round(tcb);
    return bytes;
}
