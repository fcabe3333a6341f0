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
#include "net/link/server.h"
#include "net/transport/card.h"
#include "net/transport/loopback.h"
#include "net/transport/neighbor.h"
#include "net/transport/tcp/blocked.h"
#include "net/transport/tcp/queue.h"
#include "net/transport/tcp/receiver.h"
#include "net/transport/tcp/segment_block.h"
#include "net/transport/tcp/segment_remote.h"
#include "net/transport/tcp/send_buffer.h"
#include "net/transport/tcp/tcb.h"

/* References that a frame has room for, beside the headers. */
#define REFERENCES_ANY (FRAME_FRAGMENT_MAX - 1)

_Static_assert(REFERENCES_ANY >= 2, "head and file of a response");
_Static_assert(SEND_BUFFER_HEADROOM_BYTES >= SEGMENT_HEADERS_BYTES, "in front of what is copied");

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
    unsigned count = 0;

    for (; length_bytes < most_bytes && count < REFERENCES_ANY; count++) {
        length_bytes += reference->length_bytes;
        reference = reference->next;
    }
    return length_bytes < most_bytes ? length_bytes : most_bytes;
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

bool segment_out_fits(const struct tcb *tcb, uint32_t length_bytes)
{
    return tcb->reference_count <= REFERENCES_ANY && card_link_server() == platform_node() &&
           (length_bytes <= tcb->mss || length_bytes <= card_segment_max_bytes());
}

/* --- Through this node's link server --- */

static void release_block(void *block)
{
    segment_block_release(block);
}

static void release_leading(void *buffer)
{
    send_buffer_end_leading(buffer);
}

static inline void hold(struct segment_block *block, struct send_buffer *buffer)
{
    if (block->held_count != 0 && block->held[block->held_count - 1] == buffer) {
        return;
    }
    send_buffer_hold(buffer);
    block->held[block->held_count++] = buffer;
}

/* A piece for each reference; segment_out_fit() has seen to it that there are not too many. The
 * block holds their buffers; NULL: they are held already. Returns where the next goes. */
static inline struct frame_fragment *add_payload(struct frame_to_send *frame,
                                                 struct frame_fragment *fragment,
                                                 struct segment_block *block,
                                                 const struct reference *reference, uint32_t offset,
                                                 uint32_t length_bytes)
{
    while (length_bytes != 0) {
        const uint8_t *bytes = reference->bytes + offset;
        uint32_t left = reference->length_bytes - offset;

        left = left < length_bytes ? left : length_bytes;
        length_bytes -= left;
        if (left != 0) {
            if (block != NULL && reference->buffer != NULL) {
                hold(block, reference->buffer);
            }
            ASSERT(fragment != frame->fragments + FRAME_FRAGMENT_MAX);
            *fragment++ = (struct frame_fragment){bytes, left};
        }
        reference = reference->next;
        offset = 0;
    }
    return fragment;
}

/* Whether so many bytes from there on are in the archive, which nobody needs to hold. */
static bool is_in_archive(const struct reference *reference, uint32_t length_bytes)
{
    while (reference->buffer == NULL && reference->length_bytes < length_bytes) {
        length_bytes -= reference->length_bytes;
        reference = reference->next;
    }
    return reference->buffer == NULL;
}

/*
 * The head of a response: headers, and what was copied, are one piece. That is so where the headers
 * have room in front of the payload, and its first buffer is all that the frame needs to hold.
 */
static inline bool can_lead(const struct segment_fields *fields, const struct reference *first,
                            uint32_t offset)
{
    uint32_t left = first->length_bytes - offset;

    return first->buffer != NULL && send_buffer_may_lead(first->buffer, first->bytes + offset) &&
           (fields->payload_bytes <= left ||
            is_in_archive(first->next, fields->payload_bytes - left));
}

static inline int send_here(struct segment_fields fields, const struct reference *first)
{
    uint32_t offset = fields.sequence - first->sequence;
    uint32_t payload_bytes = fields.payload_bytes, leading_bytes = 0;
    struct segment_block *block = NULL;
    struct frame_to_send frame;
    struct frame_fragment *next = &frame.fragments[1];
    uint8_t *headers;
    int error;

    ASSERT_SLOW(offset < first->length_bytes);
    ASSERT_SLOW(fields.cut_bytes == 0 || card_segment_max_bytes() != 0);
    if (can_lead(&fields, first, offset)) {
        leading_bytes = first->length_bytes - offset;
        leading_bytes = leading_bytes < payload_bytes ? leading_bytes : payload_bytes;
        headers = send_buffer_bytes(first->buffer) - SEGMENT_HEADERS_BYTES;
        send_buffer_lead(first->buffer);
        frame.done = release_leading;
        frame.context = first->buffer;
        first = first->next;
        offset = 0;
    } else {
        block = segment_block_take();
        if (UNLIKELY(block == NULL)) {
            return -EAGAIN;
        }
        headers = block->headers;
        frame.done = release_block;
        frame.context = block;
    }
    frame.fragments[0].data = headers;
    frame.fragments[0].length_bytes = SEGMENT_HEADERS_BYTES + leading_bytes;
    if (leading_bytes != payload_bytes) {
        next = add_payload(&frame, next, block, first, offset, payload_bytes - leading_bytes);
    }
    frame.fragment_count = (uint16_t)(next - frame.fragments);
    segment_put_headers(headers, &fields);
    segment_put_work(&frame, &fields);
    error = link_server_transmit(&frame);
    if (UNLIKELY(error != 0)) {
        frame.done(frame.context);
    }
    return error;
}

/* Whether it is the beginning of a buffer that has room for the headers, and one segment. */
static inline bool is_one_piece(const struct tcb *tcb, const struct reference *first,
                                uint32_t sequence, uint32_t length_bytes)
{
    return length_bytes <= tcb->mss && first->sequence == sequence &&
           length_bytes <= first->length_bytes && first->buffer != NULL &&
           send_buffer_may_lead(first->buffer, first->bytes);
}

/* --- All of it --- */

/* Lost for want of a neighbour or a link server, as on any wire: retransmission tries again, gives
 * up in the end, and needs no other list of those that wait. A neighbour is known when a handshake
 * has succeeded, and is forgotten for silence, or where a link has more of them than the cache. */
static int lose(struct tcb *tcb, unsigned counter)
{
    counter_increment(counter);
    receiver_note_ack_sent(tcb, receiver_window(tcb));
    return -ENODEV;
}

static int wait(struct tcb *tcb)
{
    blocked_add(tcb);
    return -EAGAIN;
}

__attribute__((always_inline)) static inline struct segment_fields
fields_of(const struct tcb *tcb, const uint8_t *link, uint16_t window, uint32_t sequence,
          uint32_t length_bytes, uint8_t tcp_flags)
{
    return (struct segment_fields){
        .link = link,
        .flow_sum = tcb->flow_sum,
        .flow = &tcb->flow,
        .sequence = sequence,
        .acknowledgment = tcb->rcv_nxt,
        .payload_bytes = length_bytes,
        .window = window,
        .tcp_flags = TCP_FLAG_ACK | tcp_flags,
        .cut_bytes = length_bytes > tcb->mss ? tcb->mss : 0,
    };
}

/* It has gone, or has not. */
static inline int conclude(struct tcb *tcb, uint16_t window, int error)
{
    if (LIKELY(error == 0)) {
        receiver_note_ack_sent(tcb, window);
        return 0;
    }
    return error == -EAGAIN ? wait(tcb) : lose(tcb, COUNTER_DROP_NO_DEVICE);
}

/* To ourselves, or there is nobody who is known. */
static __attribute__((noinline)) int send_without_neighbor(struct tcb *tcb,
                                                           const struct reference *first,
                                                           uint32_t sequence, uint32_t length_bytes,
                                                           uint8_t tcp_flags, uint32_t next_hop)
{
    uint16_t window = receiver_window(tcb);
    struct segment_fields fields = fields_of(tcb, NULL, window, sequence, length_bytes, tcp_flags);
    uint8_t options[SEGMENT_OPTION_BYTES_MAX];

    if (!loopback_is_own(next_hop)) {
        neighbor_ask(next_hop);
        return lose(tcb, COUNTER_DROP_NO_NEIGHBOR);
    }
    if (length_bytes == 0 && tcb->loan != NULL) {
        fields.option_bytes = (uint8_t)receiver_put_sack(tcb, options);
        fields.options = options;
    }
    return conclude(
        tcb, window,
        loopback_send(&fields, first, length_bytes != 0 ? sequence - first->sequence : 0));
}

/* Each way apart, since each needs other registers. Of these two each knows how many bytes of
 * options there are. */

static __attribute__((noinline)) int send_sack(struct tcb *tcb, uint32_t sequence,
                                               uint8_t tcp_flags, const uint8_t *link)
{
    uint16_t window = receiver_window(tcb);
    struct segment_fields fields = fields_of(tcb, link, window, sequence, 0, tcp_flags);
    uint8_t options[SEGMENT_OPTION_BYTES_MAX];

    /* Not with payload, which may fill the wire's frame without them. */
    fields.option_bytes = (uint8_t)receiver_put_sack(tcb, options);
    fields.options = options;
    return conclude(tcb, window, segment_block_send(&fields));
}

static __attribute__((noinline)) int send_bare(struct tcb *tcb, uint32_t sequence,
                                               uint8_t tcp_flags)
{
    uint32_t next_hop = interface_next_hop(tcb->flow.remote_address);
    const uint8_t *link = neighbor_find_at(next_hop, &tcb->neighbor);
    struct segment_fields fields;
    uint16_t window;

    if (UNLIKELY(link == NULL)) {
        return send_without_neighbor(tcb, NULL, sequence, 0, tcp_flags, next_hop);
    }
    if (UNLIKELY(tcb->loan != NULL)) {
        return send_sack(tcb, sequence, tcp_flags, link);
    }
    window = receiver_window(tcb);
    fields = fields_of(tcb, link, window, sequence, 0, tcp_flags);
    return conclude(tcb, window, segment_block_send(&fields));
}

/* The parameters of these are those of send_payload(), and stay where they are. */

static __attribute__((noinline)) int send_elsewhere(struct tcb *tcb, const struct reference *first,
                                                    uint32_t sequence, uint32_t length_bytes,
                                                    uint8_t tcp_flags, const uint8_t *link)
{
    uint16_t window = receiver_window(tcb);

    return conclude(
        tcb, window,
        segment_send_elsewhere(fields_of(tcb, link, window, sequence, length_bytes, tcp_flags),
                               first, sequence - first->sequence));
}

static __attribute__((noinline)) int send_pieces(struct tcb *tcb, const struct reference *first,
                                                 uint32_t sequence, uint32_t length_bytes,
                                                 uint8_t tcp_flags, const uint8_t *link)
{
    uint16_t window = receiver_window(tcb);

    return conclude(
        tcb, window,
        send_here(fields_of(tcb, link, window, sequence, length_bytes, tcp_flags), first));
}

/* The common one: what send_pieces() does of such a one, in fewer steps. */
static inline int send_one_piece(const struct segment_fields *fields, struct send_buffer *buffer)
{
    uint8_t *headers = send_buffer_bytes(buffer) - SEGMENT_HEADERS_BYTES;
    struct frame_to_send frame;
    int error;

    send_buffer_lead(buffer);
    segment_put_headers(headers, fields);
    segment_put_work(&frame, fields);
    frame.fragments[0].data = headers;
    frame.fragments[0].length_bytes = frame.length_bytes;
    frame.fragment_count = 1;
    frame.done = release_leading;
    frame.context = buffer;
    error = link_server_transmit(&frame);
    if (UNLIKELY(error != 0)) {
        release_leading(frame.context);
    }
    return error;
}

static NO_STACK_GUARD __attribute__((noinline)) int
send_payload(struct tcb *tcb, const struct reference *first, uint32_t sequence,
             uint32_t length_bytes, uint8_t tcp_flags)
{
    uint32_t next_hop = interface_next_hop(tcb->flow.remote_address);
    const uint8_t *link = neighbor_find_at(next_hop, &tcb->neighbor);
    struct segment_fields fields;
    uint16_t window;

    if (UNLIKELY(link == NULL)) {
        return send_without_neighbor(tcb, first, sequence, length_bytes, tcp_flags, next_hop);
    }
    if (UNLIKELY(card_link_server() != platform_node())) {
        return send_elsewhere(tcb, first, sequence, length_bytes, tcp_flags, link);
    }
    if (!is_one_piece(tcb, first, sequence, length_bytes)) {
        return send_pieces(tcb, first, sequence, length_bytes, tcp_flags, link);
    }
    window = receiver_window(tcb);
    fields = fields_of(tcb, link, window, sequence, length_bytes, tcp_flags);
    fields.cut_bytes = 0; /* as it is, which the compiler does not see */
    return conclude(tcb, window, send_one_piece(&fields, first->buffer));
}

inline int segment_out_send(struct tcb *tcb, const struct reference *first, uint32_t sequence,
                            uint32_t length_bytes, uint8_t tcp_flags)
{
    return length_bytes == 0 ? send_bare(tcb, sequence, tcp_flags)
                             : send_payload(tcb, first, sequence, length_bytes, tcp_flags);
}
