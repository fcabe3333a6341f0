/* SPDX-License-Identifier: MIT */
#include "net/transport/tcp/persist.h"

#include <errno.h>

#include "kernel/platform.h"
#include "net/transport/tcp/piece.h"
#include "net/transport/tcp/queue.h"
#include "net/transport/tcp/tcb.h"

/* RFC 9293 3.8.6.1: probes of a closed window, further and further apart. */
#define PERSIST_MAX_US         60000000u
/* As many unanswered ones end a connection. Chosen: with an RTO of 200 ms, eight minutes. */
#define PROBES_UNANSWERED_MAX  15u
/* RFC 6429 4: a connection that nobody waits for does not persist for ever, answered or not. It has
 * as many probes, or about a minute: that has passed when the next is half a minute away. */
#define ORPHAN_PROBES_MAX      8u
#define ORPHAN_INTERVAL_MAX_US 30000000u

static uint32_t least(uint32_t left, uint32_t right)
{
    return left < right ? left : right;
}

void persist_start(struct tcb *tcb)
{
    if (tcb->unsent == NULL || tcb->snd_max != tcb->snd_una || tcb->persist_interval_us != 0) {
        return;
    }
    tcb->probe_count = 0;
    tcb->unanswered_count = 0;
    tcb->persist_interval_us = tcb->rto_us != 0 ? tcb->rto_us : 1;
    tcb->persist_deadline_us = tcp_now_us() + tcb->persist_interval_us;
}

void persist_stop(struct tcb *tcb)
{
    tcb->persist_interval_us = 0;
}

void persist_note_answer(struct tcb *tcb)
{
    tcb->unanswered_count = 0;
}

/* The closed window is probed, or the little goes that it lets (RFC 9293 3.8.6.2.1 (4)). */
static void probe_window(struct tcb *tcb)
{
    struct piece piece = {.first = tcb->queue_head};
    uint32_t payload_bytes = tcb->snd_end - tcb->snd_una - tcb->has_fin;
    bool is_open = tcb->snd_wnd != 0;

    ASSERT_SLOW(piece.first != NULL && tcb->snd_max - tcb->snd_una <= 1);
    piece.length_bytes = least(payload_bytes, is_open ? least(tcb->snd_wnd, tcb->mss) : 1);
    piece.has_fin = payload_bytes == 0;
    tcb->persist_deadline_us = tcp_now_us() + tcb->persist_interval_us;
    if (piece_send(tcb, piece, is_open) != OUTCOME_SENT) {
        return; /* at the next deadline */
    }
    if (is_open) {
        persist_stop(tcb);
        return;
    }
    piece.first->sent_us = tcp_now_us();
    piece.first->sent_count += piece.first->sent_count < UINT8_MAX;
    tcb->probe_count += tcb->probe_count < UINT8_MAX;
    tcb->unanswered_count++;
    tcb->persist_interval_us = least(2 * tcb->persist_interval_us, PERSIST_MAX_US);
    tcb->persist_deadline_us = tcp_now_us() + tcb->persist_interval_us;
}

void persist_expire(struct tcb *tcb)
{
    if (tcb->is_orphan && (tcb->probe_count >= ORPHAN_PROBES_MAX ||
                           tcb->persist_interval_us >= ORPHAN_INTERVAL_MAX_US)) {
        tcb_abort(tcb, ETIMEDOUT);
    } else if (tcb->unanswered_count >= PROBES_UNANSWERED_MAX) {
        tcb_end(tcb, ETIMEDOUT);
    } else {
        probe_window(tcb);
    }
}
