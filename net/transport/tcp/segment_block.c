/* SPDX-License-Identifier: MIT */
#include "net/transport/tcp/segment_block.h"

#include <errno.h>

#include "kernel/platform.h"
#include "net/link/server.h"
#include "net/transport/card.h"
#include "net/transport/tcp/segment_remote.h"
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

/* A block that holds nothing. */
static void release_sent(void *block)
{
    pool_release(&blocks, block);
}

int segment_block_send(const struct segment_fields *fields)
{
    struct segment_block *block;
    struct frame_to_send frame;
    int error;

    if (UNLIKELY(card_link_server() != platform_node())) {
        return segment_remote_send(card_link_server(), fields, NULL, 0);
    }
    block = segment_block_take();
    if (UNLIKELY(block == NULL)) {
        return -EAGAIN;
    }
    segment_put_headers(block->headers, fields);
    segment_put_work(&frame, fields);
    frame.fragments[0].data = block->headers;
    frame.fragments[0].length_bytes = frame.length_bytes;
    frame.fragment_count = 1;
    frame.done = release_sent;
    frame.context = block;
    error = link_server_transmit(&frame);
    if (UNLIKELY(error != 0)) {
        release_sent(block);
    }
    return error;
}
