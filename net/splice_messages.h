/* SPDX-License-Identifier: MIT */
/*
 * The messages of splices, a part of the table in net/messages.h, which includes this file: what
 * comes on one connection goes out on another one, of the same TS and the same application, and the
 * application sees none of it.
 *
 * One message begins a splice in one direction. What the TS has sent to the application before that
 * must be in the drain's stream before all else: so the splice begins when the application has read
 * it, and sent it itself. If it has not yet, as the TS knows by what is consumed, the TS keeps what
 * comes from then on, says SPLICE_HELD, and is asked again.
 */
#pragma once

#include "kernel/message/message.h"

/* clang-format off: a table */
#define SPLICE_MESSAGE_TABLE(X)                                                                    \
    X(SPLICE_CONNECTIONS, splice_connections, APP, TS)                                             \
    X(SPLICE_STATE, splice_state, TS, APP)
/* clang-format on */

enum splice_order {
    SPLICE_BEGIN = 1, /* answer owed: SPLICE_STATE, at the latest when it ends */
    SPLICE_STOP = 2,  /* answer owed: the same */
};

/* Both are the sender's connections at this TS: of which a TS is told before, by CLAIM_CONNECTION
 * or another message. */
struct splice_connections {
    struct message_header header;
    uint32_t source_index, source_generation;
    uint32_t drain_index, drain_generation;
    uint32_t number;         /* counts the application's splices: in each answer */
    uint32_t order;          /* enum splice_order; the rest is for SPLICE_BEGIN: */
    uint64_t bytes_most;     /* it ends after so many; 0: it does not */
    uint32_t idle_ms;        /* and when nothing has come for so long; 0: it does not */
    uint32_t consumed_bytes; /* of the source: as in SEND */
};

enum splice_state_number {
    SPLICE_HELD = 1,    /* ask again when what has come before this is read, and sent */
    SPLICE_REFUSED = 2, /* no room, or one of them is spliced otherwise: copy */
    SPLICE_ENDED = 3,
};

/*
 * To SPLICE_STOP of one that has ended, or never begun, there may be one more answer, and that does
 * not name what is closed. Why one has ended is told as errno:
 *
 *   0            the source's peer has closed, and all is sent, with a FIN behind it: no
 * PEER_CLOSED is sent any more, and nothing can be sent on the drain ECANCELED    SPLICE_STOP, or
 * the source is closed EFBIG        bytes_most are reached ETIMEDOUT    idle_ms have passed EPIPE
 * nothing can be sent on the drain, which is shut or closed another one  why the connection of
 * source or drain has failed; that one is told of it, too
 */
struct splice_state {
    struct message_header header;
    uint32_t source_stream, source_generation;
    uint32_t drain_stream, drain_generation;
    uint32_t state; /* enum splice_state_number */
    uint32_t error_number;
    uint64_t bytes;              /* that have gone this way */
    uint32_t drain_credit_bytes; /* SPLICE_ENDED: so much may be sent on the drain now, whatever */
    uint32_t drain_window_bytes; /* was said before */
    uint32_t number;
    uint32_t reserved;
};
