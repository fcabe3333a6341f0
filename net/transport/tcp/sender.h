/* SPDX-License-Identifier: MIT */
/*
 * The send half of TCP: what an acknowledgement says (RFC 9293 3.10.7.4, fifth), what may be sent
 * now (window, congestion, silly windows: 3.8.6), FIN, and the closed window (3.8.6.1). What is
 * lost, and how fast to send, is recovery.h's and congestion.h's.
 */
#pragma once

#include "kernel/base.h"
#include "net/transport/tcp/recovery_block.h"
#include "net/transport/tcp/tcb.h"

struct packet;
struct tcp_options;

void sender_open(struct tcb *tcb, uint32_t iss, uint32_t window_bytes, uint32_t irs, uint16_t mss);

/*
 * The acknowledgement in a segment that is acceptable, and whose number is neither older than what
 * can still be under way nor beyond what was sent (receiver.c has looked). Takes window, SACK, what
 * is acknowledged, and what is lost for all that. `options` may be NULL: it has none.
 *
 * Returns whether our FIN is acknowledged by it, for the first time.
 */
MUST_CHECK bool sender_acknowledge(struct tcb *tcb, const struct packet *packet,
                                   const struct tcp_options *options);
/* Whether one with this number, neither old nor beyond what was sent, says something new while
 * nothing is missing and the window is open. */
static inline bool sender_is_plain(const struct tcb *tcb, uint32_t acknowledgment)
{
    return acknowledgment != tcb->snd_una && tcb->persist_interval_us == 0 &&
           (tcb->recovery == NULL || tcb->recovery->is_quiet);
}

/* sender_acknowledge() of such a one, without options. */
MUST_CHECK bool sender_acknowledge_plain(struct tcb *tcb, const struct packet *packet);
/* Whether nothing is under way, and no D-SACK is waited for: all that one acknowledges, neither old
 * nor beyond what was sent, is known, and it brings a window at most. */
static inline bool sender_is_idle(const struct tcb *tcb)
{
    return tcb->snd_una == tcb->snd_max && tcb->recovery == NULL && tcb->persist_interval_us == 0;
}

/* sender_acknowledge() of one that comes then. */
void sender_take_window(struct tcb *tcb, const struct packet *packet);
/* After that: whether nothing follows from it. Nothing waits to be sent, and the connection's timer
 * is due no later than what is under way wants it. */
bool sender_is_settled(const struct tcb *tcb);
/* FIN behind what is queued. */
void sender_close(struct tcb *tcb);
/* Whether FIN has been sent; whether it, and all before it, is acknowledged. */
bool sender_has_sent_fin(const struct tcb *tcb);
bool sender_is_fin_acknowledged(const struct tcb *tcb);
/* Send all that may go now. */
enum sender_sent {
    SENT_NOTHING = 0,
    SENT_SOME, /* a segment or more, and the ACK that was due with it */
    SENT_ALL,  /* nothing was under way, and all that is queued is now: no ACK is due, and the one
                  deadline that is new is loss_deadline_us */
};
enum sender_sent sender_output(struct tcb *tcb);
/* Time-outs of retransmission and of the closed window, those that are due. May end it. */
void sender_expire(struct tcb *tcb);
/* The next of those, as tcp_now_us(). False: there is none. */
bool sender_deadline(const struct tcb *tcb, uint32_t *deadline_us);
/* What is under way does not fit the path: it is lost, though not for congestion (RFC 1191). */
void sender_lower_mss(struct tcb *tcb, uint16_t mss);
/* Gives back all. */
void sender_drop(struct tcb *tcb);

/* Send what found no room in the card's ring or a channel, waits for memory, or has had its part of
 * a round: once a round, before the connections are settled, in order. Returns how many connections
 * went on. */
unsigned sender_poll_blocked(void);
void sender_initialise(void);
