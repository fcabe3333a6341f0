/* SPDX-License-Identifier: MIT */
/*
 * What goes into one transmission: whole references, so that they are sent, acknowledged and lost
 * as what they are. Where a piece ends within one, that is split.
 */
#pragma once

#include "kernel/base.h"

struct reference;
struct tcb;

struct piece {
    struct reference *first; /* from its start on */
    uint32_t length_bytes;
    bool has_fin;
    bool is_last; /* nothing more goes before the peer has answered */
};

enum outcome {
    OUTCOME_SENT,
    OUTCOME_NOTHING, /* there is nothing to send, or it must wait for an acknowledgement */
    OUTCOME_REFUSED, /* blocked: the card or the channel is full */
    OUTCOME_WAITS,   /* blocked: for memory, or its turn */
};

/* As much of it as one transmission takes: whole segments, if it is not all. */
struct piece piece_fit(const struct tcb *tcb, struct piece piece);
/* Send it. A probe of a closed window is not `known` to recovery. */
MUST_CHECK enum outcome piece_send(struct tcb *tcb, struct piece piece, bool is_known);
/* There is no memory. */
MUST_CHECK enum outcome piece_wait(struct tcb *tcb);
