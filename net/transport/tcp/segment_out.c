/* SPDX-License-Identifier: MIT */
/*
 * Segments of connections: see segment_out.h.
 */
#include "net/transport/tcp/segment_out.h"

#include <errno.h>

#include "drivers/nic/frame.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "net/counters.h"
#include "net/transport/card.h"
#include "net/transport/neighbor.h"
#include "net/transport/tcp/blocked.h"
#include "net/transport/tcp/queue.h"
#include "net/transport/tcp/receiver.h"
#include "net/transport/tcp/segment_block.h"
#include "net/transport/tcp/segment_remote.h"
#include "net/transport/tcp/tcb.h"

/* References that a frame has room for whatever they are: each may need as many pieces as the
 * longest one. */
#define REFERENCES_ANY                                                                             \
    ((FRAME_FRAGMENT_MAX - 1) /                                                                    \
     ((REFERENCE_MAX_BYTES + FRAME_FRAGMENT_MAX_BYTES - 1) / FRAME_FRAGMENT_MAX_BYTES))

_Static_assert(REFERENCES_ANY >= 2, "head and file of a response");

/* The longest segment: a multiple of the maximum segment size, so that the card leaves no short
 * piece within. */
static uint32_t limit_to_card(const struct tcb *tcb, uint32_t most_bytes)
{
    uint32_t card_bytes = card_segment_max_bytes();

    if (LIKELY(most_bytes <= card_bytes)) {
        return most_bytes;
    }
    return card_bytes <= tcb->mss ? tcb->mss : card_bytes - card_bytes % tcb->mss;
}

/* So much of it that the frame does not have too many pieces. */
static uint32_t limit_to_frame(const struct reference *reference, uint32_t most_bytes)
{
    uint32_t length_bytes = 0;
    unsigned count = 1; /* the headers */

    while (length_bytes < most_bytes) {
        count +=
            (reference->length_bytes + FRAME_FRAGMENT_MAX_BYTES - 1) / FRAME_FRAGMENT_MAX_BYTES;
        if (count > FRAME_FRAGMENT_MAX) {
            return length_bytes;
        }
        length_bytes += reference->length_bytes;
        reference = reference->next;
    }
    return most_bytes;
}

uint32_t segment_out_fit(const struct tcb *tcb, const struct reference *first, uint32_t most_bytes)
{
    if (most_bytes > tcb->mss) {
        most_bytes = limit_to_card(tcb, most_bytes);
    }
    if (UNLIKELY(card_link_server() != platform_node())) {
        return segment_remote_fit(tcb, first, most_bytes);
    }
    return LIKELY(tcb->reference_count <= REFERENCES_ANY) ? most_bytes
                                                          : limit_to_frame(first, most_bytes);
}

bool segment_out_fits(const struct tcb *tcb, uint32_t queued_bytes)
{
    return tcb->reference_count <= REFERENCES_ANY && card_link_server() == platform_node() &&
           (queued_bytes <= tcb->mss || queued_bytes <= card_segment_max_bytes());
}

/* Lost for want of a neighbour or a link server, as on any wire: retransmission tries again, gives
 * up in the end, and needs no other list of those that wait. A neighbour is known when a handshake
 * has succeeded, and is forgotten for silence, or where a link has more of them than the cache. */
static int lose(struct tcb *tcb, unsigned counter)
{
    counter_increment(counter);
    receiver_note_ack_sent(tcb);
    return -ENODEV;
}

static int wait(struct tcb *tcb)
{
    blocked_add(tcb);
    return -EAGAIN;
}

int segment_out_send(struct tcb *tcb, const struct reference *first, uint32_t sequence,
                     uint32_t length_bytes, uint8_t tcp_flags)
{
    uint32_t next_hop = interface_next_hop(tcb->flow.remote_address);
    const uint8_t *mac = neighbor_find_at(next_hop, &tcb->neighbor);
    uint32_t offset = 0;
    struct segment_block *block;
    struct segment_fields fields;
    int error;

    if (UNLIKELY(mac == NULL)) {
        neighbor_ask(next_hop);
        return lose(tcb, COUNTER_DROP_NO_NEIGHBOR);
    }
    block = segment_block_take();
    if (UNLIKELY(block == NULL)) {
        return wait(tcb);
    }
    fields.sequence = sequence;
    fields.acknowledgment = tcb->rcv_nxt;
    fields.payload_bytes = length_bytes;
    fields.window = receiver_window(tcb);
    fields.tcp_flags = TCP_FLAG_ACK | tcp_flags;
    fields.option_bytes = 0;
    fields.cut_bytes = length_bytes > tcb->mss ? tcb->mss : 0;
    ASSERT_SLOW(fields.cut_bytes == 0 || card_segment_max_bytes() != 0);
    if (length_bytes != 0) {
        offset = sequence - first->sequence;
        ASSERT_SLOW(offset < first->length_bytes);
    } else {
        /* Not with payload, which may fill the wire's frame without them. */
        fields.option_bytes =
            (uint8_t)receiver_put_sack(tcb, block->headers + SEGMENT_HEADERS_BYTES);
    }
    segment_put_headers(block, mac, &tcb->flow, fields);
    error = segment_block_send(block, fields, first, offset);
    if (LIKELY(error == 0)) {
        receiver_note_ack_sent(tcb);
        return 0;
    }
    return error == -EAGAIN ? wait(tcb) : lose(tcb, COUNTER_DROP_NO_DEVICE);
}
