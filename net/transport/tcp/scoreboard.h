/* SPDX-License-Identifier: MIT */
/*
 * What of the bytes under way the peer has and what is lost: marks on the queue's references, and
 * their sums, kept as marks change. Split where what the peer says ends inside a reference, to a
 * bound: a peer that acknowledges every other byte costs itself speed, not us memory.
 */
#pragma once

#include "kernel/base.h"
#include "net/transport/tcp/queue.h"

struct recovery;
struct tcb;
struct tcp_options;

/* What one acknowledgement has brought. */
struct delivery {
    uint32_t acknowledged_bytes;              /* by which snd_una moves */
    uint32_t delivered_bytes;                 /* of whose arrival nothing was known before */
    uint32_t lost_bytes;                      /* that are marked since */
    uint32_t round_trip_us;                   /* of what was sent once; 0: unknown */
    uint32_t duplicate_left, duplicate_right; /* D-SACK (RFC 2883); equal: none */
    bool has_sacked;                          /* bytes of which it was not known */
    bool has_original;                        /* delivered: sent once, and before `recover` */
    bool is_again_acknowledged;               /* snd_una passes what was sent more than once */
};

/* In sequence space, FIN included. */
static inline uint32_t scoreboard_length(const struct reference *reference)
{
    return reference->length_bytes + ((reference->flags & REFERENCE_FIN) != 0);
}

/* Of a new block: what a time-out without one has marked. */
void scoreboard_open(struct tcb *tcb, struct recovery *recovery);
/* Nothing is marked. */
void scoreboard_clear(struct recovery *recovery);
/* What lies before `ack` is delivered: to be called before it is released. */
void scoreboard_acknowledge(struct tcb *tcb, struct recovery *recovery, uint32_t ack,
                            struct delivery *delivery);
/* Mark what the SACK blocks of a segment say, and find a D-SACK. snd_una has moved to `ack`, or was
 * beyond it already. */
void scoreboard_sack(struct tcb *tcb, struct recovery *recovery, const struct tcp_options *options,
                     uint32_t ack, struct delivery *delivery);
void scoreboard_mark_lost(struct recovery *recovery, struct reference *reference);
/* It is sent again: it is under way. */
void scoreboard_note_again(struct tcb *tcb, struct recovery *recovery, struct reference *reference);
/* Without SACK: so much has arrived, though it is not known what. */
void scoreboard_set_counted(struct recovery *recovery, uint32_t bytes);
/* RFC 2018 8: the peer has dropped what it said it had. */
void scoreboard_forget_sacked(struct tcb *tcb, struct recovery *recovery);
void scoreboard_forget_lost(struct tcb *tcb, struct recovery *recovery);
/* The lost reference with the lowest number; NULL: none. */
struct reference *scoreboard_first_lost(const struct tcb *tcb, const struct recovery *recovery);
