/* SPDX-License-Identifier: MIT */
/*
 * What loss recovery and CUBIC know of a connection beyond its struct tcb: 128 bytes that most
 * connections never need. Taken at the first duplicate, SACK or time-out, or when congestion
 * avoidance begins; given back when all is acknowledged and the window is no larger than the
 * initial one. Without memory for it recovery still works: a segment per time-out.
 */
#pragma once

#include "kernel/base.h"

struct reference;
struct tcb;

/*
 * OPEN -> FAST       a loss is found: marked references go out again, PRR leads cwnd to ssthresh
 * OPEN, FAST -> TIMEOUT   the time-out, or all under way was too long for the path: slow start
 * FAST, TIMEOUT -> OPEN   `recover` is acknowledged, or there was no loss
 */
enum recovery_state { RECOVERY_OPEN, RECOVERY_FAST, RECOVERY_TIMEOUT };

/* F-RTO's steps (RFC 5682 2.1). */
enum frto_step {
    FRTO_NONE,
    FRTO_FIRST,  /* after the time-out: what does the first acknowledgement say? */
    FRTO_SECOND, /* new bytes were sent instead of lost ones: what does the second say? */
};

/* The fields stand in groups by the file that writes them, in an order without gaps. */
struct recovery {
    /* --- episode.c --- */
    uint32_t recover; /* snd_max when the episode began (RFC 6582 3.2) */
    uint8_t state;    /* enum recovery_state */
    bool is_quiet;    /* a plain acknowledgement has nothing to do here */

    /* --- scoreboard.c --- */
    uint16_t split_count;        /* references that SACK's edges have made, of those in flight */
    uint32_t sacked_bytes;       /* without SACK: a segment for each duplicate */
    uint32_t lost_bytes;         /* of references marked LOST */
    struct reference *lost_from; /* none before it is LOST; NULL: not known, so the head */

    /* --- rack.c (RFC 8985 5.2) --- */
    uint32_t rack_sent_us; /* of what was sent last, of all that is delivered */
    uint32_t rack_end;     /* where that ends */
    uint32_t rack_rtt_us;  /* 0: nothing yet */
    uint32_t rack_forward; /* beyond the highest delivered */
    uint32_t duplicate_round_end;
    bool is_duplicate_round; /* a D-SACK has come before `duplicate_round_end` */
    bool is_reordering_seen;
    uint8_t reorder_multiple; /* of min_rtt / 4 */
    uint8_t reorder_persist;  /* recoveries until that is 1 again */

    /* --- probe.c --- */
    uint32_t probe_end;
    bool is_probe_due;
    bool is_probe_sent;  /* and unanswered */
    bool is_probe_again; /* it was sent before */

    /* --- undo.c --- */
    uint8_t frto_step;         /* enum frto_step */
    uint32_t undo_from;        /* snd_una when the episode began */
    uint32_t undo_again_bytes; /* sent again in it, less what D-SACK says came twice */
    uint32_t undo_frto_max;    /* snd_max before F-RTO's new bytes */
    bool can_undo;
    bool was_overtaken; /* the loss: what went later had come */

    /* --- cubic.c (RFC 9438 4.1) --- */
    bool has_epoch;
    uint32_t prior_w_max; /* to be restored */
    uint32_t w_max, cwnd_prior, w_est;
    int32_t k_ms;
    uint32_t epoch_us;
    uint32_t updated_us; /* the time until which growth is reckoned */
    uint32_t cwnd_remainder, w_est_remainder;

    /* --- congestion.c --- */
    uint32_t prior_cwnd, prior_ssthresh; /* to be restored */

    /* --- prr.c (RFC 9937) --- */
    uint32_t prr_flight_bytes, prr_delivered_bytes, prr_out_bytes;
};

void recovery_block_open(struct tcb *tcb);
/* The connection's; taken if it has none. NULL, and counted, without memory. */
struct recovery *recovery_block(struct tcb *tcb);
void recovery_block_release(struct tcb *tcb);
