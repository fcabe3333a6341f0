/* SPDX-License-Identifier: MIT */
#include "net/transport/tcp/segment_block.h"

#include "kernel/platform.h"
#include "net/transport/tcp/send_buffer.h"

/* Frames of ours in the card's ring. Chosen: more than rings have. */
#define BLOCKS_MAX 4096u

POOL(blocks, "tcp_headers", struct segment_block, BLOCKS_MAX);

struct segment_block *segment_block_take(void)
{
    struct segment_block *block = pool_take(&blocks);

    if (LIKELY(block != NULL)) {
        block->held_count = 0;
    }
    return block;
}

void segment_block_release(struct segment_block *block)
{
    for (unsigned i = 0; i < block->held_count; i++) {
        send_buffer_release(block->held[i]);
    }
    pool_release(&blocks, block);
}

void segment_block_release_bare(void *block)
{
    ASSERT_SLOW(((const struct segment_block *)block)->held_count == 0);
    pool_release(&blocks, block);
}
