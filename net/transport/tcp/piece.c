/* SPDX-License-Identifier: MIT */
#include "net/transport/tcp/piece.h"

#include <errno.h>

#include "net/headers.h"
#include "net/transport/tcp/blocked.h"
#include "net/transport/tcp/queue.h"
#include "net/transport/tcp/recovery.h"
#include "net/transport/tcp/segment_out.h"
#include "net/transport/tcp/tcb.h"

enum outcome piece_wait(struct tcb *tcb)
{
    blocked_add(tcb);
    return OUTCOME_WAITS;
}

/* How many bytes of it, then. */
static __attribute__((noinline)) uint32_t cut(const struct tcb *tcb, const struct reference *first,
                                              uint32_t length_bytes)
{
    uint32_t fitting_bytes = segment_out_fit(tcb, first, length_bytes);

    if (fitting_bytes != length_bytes && fitting_bytes > tcb->mss) {
        fitting_bytes -= fitting_bytes % tcb->mss;
    }
    return fitting_bytes;
}

inline __attribute__((always_inline)) struct piece piece_fit(const struct tcb *tcb,
                                                             struct piece piece)
{
    uint32_t length_bytes = piece.length_bytes;

    if (UNLIKELY(!segment_out_fits(tcb, length_bytes))) {
        length_bytes = cut(tcb, piece.first, length_bytes);
    }
    if (length_bytes != piece.length_bytes) {
        piece.length_bytes = length_bytes;
        piece.has_fin = false;
        piece.is_last = false;
    }
    return piece;
}

enum outcome piece_send(struct tcb *tcb, struct piece piece, bool is_known)
{
    uint32_t sequence = piece.first->sequence;
    uint32_t end_sequence = sequence + piece.length_bytes + piece.has_fin;
    struct reference *end = NULL;
    uint8_t tcp_flags = piece.has_fin ? TCP_FLAG_FIN : 0;

    if (end_sequence != tcb->snd_end) {
        end = queue_split(tcb, piece.first, end_sequence);
        if (UNLIKELY(end == NULL)) {
            return piece_wait(tcb);
        }
    }
    /* Nothing more to come for now (RFC 9293 3.9.1.2). Where only the windows keep it the peer
     * would else wait for it, too: with an acknowledgement, up to its delay, if it is owed for
     * little. */
    if (piece.length_bytes != 0 && (piece.is_last || end == NULL || end->length_bytes == 0)) {
        tcp_flags |= TCP_FLAG_PSH;
    }
    if (UNLIKELY(segment_out_send(tcb, piece.first, sequence, piece.length_bytes, tcp_flags) ==
                 -EAGAIN)) {
        return OUTCOME_REFUSED;
    }
    if ((int32_t)(end_sequence - tcb->snd_max) > 0) {
        if (end != NULL) {
            queue_note_sent(tcb, end);
        } else {
            queue_note_all_sent(tcb);
        }
    }
    if (is_known) {
        recovery_note_sent(tcb, piece.first, end);
    }
    return OUTCOME_SENT;
}
