/* SPDX-License-Identifier: MIT */
#include "net/transport/tcp/segment_block.h"

#include "kernel/platform.h"
#include "net/link/server.h"
#include "net/transport/card.h"
#include "net/transport/tcp/queue.h"
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

static void release_sent(void *block)
{
    segment_block_release(block);
}

static inline void hold(struct segment_block *block, struct send_buffer *buffer)
{
    if (block->held_count != 0 && block->held[block->held_count - 1] == buffer) {
        return;
    }
    send_buffer_hold(buffer);
    block->held[block->held_count++] = buffer;
}

/* In pieces that a descriptor can name; segment_out_fit() has seen to it that there are not too
 * many. Returns how many fragments the frame has now. */
static unsigned add_payload(struct frame_to_send *frame, struct segment_block *block,
                            const struct reference *reference, uint32_t offset,
                            uint32_t length_bytes)
{
    struct frame_fragment *fragment = &frame->fragments[1];

    while (length_bytes != 0) {
        const uint8_t *bytes = reference->bytes + offset;
        uint32_t left = reference->length_bytes - offset;

        left = left < length_bytes ? left : length_bytes;
        length_bytes -= left;
        if (reference->buffer != NULL && left != 0) {
            hold(block, reference->buffer);
        }
        while (left != 0) {
            uint32_t piece = left < FRAME_FRAGMENT_MAX_BYTES ? left : FRAME_FRAGMENT_MAX_BYTES;

            ASSERT(fragment != frame->fragments + FRAME_FRAGMENT_MAX);
            fragment->data = bytes;
            fragment->length_bytes = piece;
            fragment++;
            bytes += piece;
            left -= piece;
        }
        reference = reference->next;
        offset = 0;
    }
    return (unsigned)(fragment - frame->fragments);
}

static int send_here(struct segment_block *block, struct segment_fields fields,
                     const struct reference *first, uint32_t offset)
{
    uint32_t headers_bytes = SEGMENT_HEADERS_BYTES + fields.option_bytes;
    struct frame_to_send frame;
    int error;

    frame.fragments[0].data = block->headers;
    frame.fragments[0].length_bytes = headers_bytes;
    frame.fragment_count =
        (uint16_t)add_payload(&frame, block, first, offset, fields.payload_bytes);
    frame.offload = FRAME_INSERT_IP_CHECKSUM | FRAME_INSERT_TCP_CHECKSUM;
    frame.ip_header_offset = ETHERNET_HEADER_BYTES;
    frame.ip_header_bytes = IPV4_HEADER_MIN_BYTES;
    frame.length_bytes = (uint16_t)(headers_bytes + fields.payload_bytes);
    if (fields.cut_bytes != 0) {
        frame.offload |= FRAME_SEGMENT_TCP;
        frame.segment_bytes = fields.cut_bytes;
        frame.tcp_header_bytes = (uint8_t)(TCP_HEADER_MIN_BYTES + fields.option_bytes);
    }
    frame.done = release_sent;
    frame.context = block;
    error = link_server_transmit(&frame);
    if (UNLIKELY(error != 0)) {
        segment_block_release(block);
    }
    return error;
}

int segment_block_send(struct segment_block *block, struct segment_fields fields,
                       const struct reference *first, uint32_t offset)
{
    int error;

    if (LIKELY(card_link_server() == platform_node())) {
        return send_here(block, fields, first, offset);
    }
    error = segment_remote_send(card_link_server(), block->headers,
                                SEGMENT_HEADERS_BYTES + fields.option_bytes, first, offset,
                                fields.payload_bytes, fields.cut_bytes);
    segment_block_release(block); /* it is copied */
    return error;
}
