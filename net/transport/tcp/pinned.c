/* SPDX-License-Identifier: MIT */
#include "net/transport/tcp/pinned.h"

#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "net/transport/counters.h"
#include "net/transport/share.h"
#include "net/transport/tcp/queue.h"
#include "net/transport/tcp/send_buffer.h"
#include "net/transport/tcp/tcb.h"

static struct share bytes, connections;

/* A buffer that several references lie in counts once, where they stand side by side. */
static uint32_t kept_bytes(const struct tcb *tcb)
{
    const struct send_buffer *previous = NULL;
    uint32_t kept = 0;

    for (const struct reference *reference = tcb->queue_head; reference != NULL;
         reference = reference->next) {
        kept += QUEUE_REFERENCE_WEIGHT * (uint32_t)sizeof(*reference);
        if (reference->buffer != NULL && reference->buffer != previous) {
            kept += (uint32_t)sizeof(struct send_buffer) + reference->buffer->room_bytes;
        }
        previous = reference->buffer;
    }
    return kept;
}

static void note(struct tcb *tcb, uint32_t kept)
{
    uint32_t address = tcb->flow.remote_address;

    if (tcb->pinned_bytes != 0) {
        share_give_back(&bytes, address, tcb->pinned_bytes);
        share_give_back(&connections, address, 1);
    }
    if (kept != 0) {
        share_take(&bytes, address, kept);
        share_take(&connections, address, 1);
    }
    tcb->pinned_bytes = kept;
    counter_set(COUNTER_PINNED_BYTES, bytes.taken);
}

bool pinned_visit(struct tcb *tcb)
{
    uint32_t address = tcb->flow.remote_address;

    if (tcb->queue_head == NULL && tcb->pinned_bytes == 0) {
        return true;
    }
    note(tcb, kept_bytes(tcb));
    /* One that keeps something is counted: its address has a connection, whatever others' cells
     * say. */
    return tcb->pinned_bytes == 0 || share_allows(&bytes, address, 0) ||
           tcb->pinned_bytes < share_of(&bytes, address) / share_of(&connections, address);
}

void pinned_forget(struct tcb *tcb)
{
    if (tcb->pinned_bytes != 0) {
        note(tcb, 0);
    }
}

void pinned_initialise(void)
{
    share_initialise(&bytes, queue_memory_limit_bytes());
    share_initialise(&connections, UINT32_MAX);
}
