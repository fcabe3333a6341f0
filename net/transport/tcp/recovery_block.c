/* SPDX-License-Identifier: MIT */
#include "net/transport/tcp/recovery_block.h"

#include "libc/core/memory.h"
#include "net/transport/tcp/episode.h"
#include "net/transport/tcp/rack.h"
#include "net/transport/tcp/scoreboard.h"
#include "net/transport/tcp/tcb.h"

#define BLOCK_BYTES 128u /* a size class of the allocator: chosen, two cache lines */

_Static_assert(sizeof(struct recovery) <= BLOCK_BYTES, "as the header says");

MEMORY_KIND(block_kind, "tcp_recovery");

void recovery_block_open(struct tcb *tcb)
{
    tcb->recovery = NULL;
}

struct recovery *recovery_block(struct tcb *tcb)
{
    struct recovery *recovery = tcb->recovery;

    if (recovery != NULL) {
        return recovery;
    }
    recovery = memory_allocate_zeroed(&block_kind, sizeof(*recovery));
    if (recovery == NULL) {
        return NULL;
    }
    tcb->recovery = recovery;
    rack_open(recovery, tcb->snd_una);
    scoreboard_open(tcb, recovery);
    episode_open(tcb, recovery);
    return recovery;
}

void recovery_block_release(struct tcb *tcb)
{
    if (tcb->recovery != NULL) {
        memory_release(&block_kind, tcb->recovery);
        tcb->recovery = NULL;
    }
}
