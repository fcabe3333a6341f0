/* SPDX-License-Identifier: MIT */
/*
 * Loss recovery. With SACK: RACK-TLP (RFC 8985) with PRR (RFC 9937); without: NewReno (RFC 6582)
 * with PRR. Time-outs by RFC 6298, the spurious ones undone (F-RTO, RFC 5682; D-SACK, RFC 3708).
 * Marks references of the queue; what is marked lost goes out again before anything new.
 */
#pragma once

#include "kernel/base.h"
#include "net/transport/tcp/queue.h"
#include "net/transport/tcp/recovery_block.h"
#include "net/transport/tcp/tcb.h"

struct packet;
struct tcp_options;

/* Chosen: the peer is silent for that many time-outs, each twice as long as the one before: 6 to 13
 * minutes (RFC 9293 3.8.3 wants 100 s at least). */
#define RECOVERY_TIMEOUTS_MAX 12u

void recovery_open(struct tcb *tcb, uint32_t round_trip_us, bool is_handshake_repeated);

/*
 * An acknowledgement, after window and before snd_una moves: marks what SACK says, measures the
 * round trip, releases what is acknowledged (queue_release(), snd_una = ack), finds what is lost
 * and sets cwnd. Returns how many bytes it has acknowledged, FIN among them.
 *
 * is_duplicate  RFC 5681 2, where the peer has no SACK
 */
uint32_t recovery_acknowledge(struct tcb *tcb, const struct packet *packet,
                              const struct tcp_options *options, bool is_duplicate);

/* The same of one that acknowledges something new, has no options, and comes while there is no
 * recovery block, or that is quiet. */
void recovery_acknowledge_plain(struct tcb *tcb, const struct packet *packet);
/* The same of all that is queued, which was sent and is one reference, while there is no recovery
 * block. False: that is another
 * case, and nothing has happened. */
MUST_CHECK bool recovery_acknowledge_only(struct tcb *tcb);

/* What is in the network by our reckoning (RFC 6675 "pipe"). */
uint32_t recovery_pipe_bytes(const struct tcb *tcb);
/* Nothing is missing, and no probe due: what may be sent is cwnd less what is under way. */
static inline bool recovery_is_plain(const struct tcb *tcb)
{
    if (UNLIKELY(tcb->recovery != NULL)) {
        return tcb->recovery->is_quiet;
    }
    /* Without memory for more: the head alone, after a time-out. */
    return tcb->queue_head == tcb->unsent || (tcb->queue_head->flags & REFERENCE_LOST) == 0;
}
/* How many bytes may be sent now, of lost or new ones, by congestion control; the window is the
 * caller's. */
uint32_t recovery_quota_bytes(const struct tcb *tcb);
/* The lost reference with the lowest number that is to be sent now; NULL: none. One that is longer
 * than what may be sent is split by the sender. */
struct reference *recovery_next_lost(const struct tcb *tcb);
/* The references from `first` to before `end` (NULL: to the queue's end) have been sent, each as a
 * whole: again, or for the first time (then queue_note_sent() has been called). Sets their times
 * and marks, and the timers. */
void recovery_note_sent(struct tcb *tcb, struct reference *first, const struct reference *end);
/* The same of all that is queued, for the first time, after nothing was under way and while there
 * is no recovery block, or that is quiet. */
void recovery_note_all_sent(struct tcb *tcb, uint32_t now_us);
/* Whether a probe for the tail of what was sent is due (RFC 8985 7): the sender sends one segment,
 * lost or new, or the last that was sent, whatever the quota says. */
bool recovery_is_probe_due(const struct tcb *tcb);

/* RTO, TLP or reordering timer, whichever is next. */
bool recovery_deadline(const struct tcb *tcb, uint32_t *deadline_us);
/* What is due. Returns false when the peer has been silent for too long (RFC 9293 3.8.3): end it
 * with ETIMEDOUT. */
MUST_CHECK bool recovery_expire(struct tcb *tcb);
/* All that is under way was lost for its length (RFC 1191): again, without a change of cwnd. */
void recovery_mark_all_lost(struct tcb *tcb);
void recovery_drop(struct tcb *tcb);
void recovery_initialise(void);
