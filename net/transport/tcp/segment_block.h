/* SPDX-License-Identifier: MIT */
/*
 * Headers of a segment on its way to this node's card, written anew for each transmission: in front
 * of its bytes where those begin a buffer that has room for headers (send_buffer.h), and in a block
 * of their own otherwise, so that what the card still reads of an earlier one holds nobody up. A
 * block remembers which buffers its frame reads, and lets go of them when the card is done.
 */
#pragma once

#include <errno.h>

#include "drivers/nic/frame.h"
#include "kernel/base.h"
#include "kernel/platform.h"
#include "libc/core/bytes.h"
#include "libc/core/pool.h"
#include "net/headers.h"
#include "net/link/server.h"
#include "net/messages.h"
#include "net/transport/card.h"
#include "net/transport/lwip/interface.h"
#include "net/transport/neighbor.h"
#include "net/transport/tcp/segment_remote.h"

struct send_buffer;

#define SEGMENT_OPTION_BYTES_MAX (TCP_HEADER_MAX_BYTES - TCP_HEADER_MIN_BYTES)
/* Of Ethernet, IPv4 and TCP, without options. */
#define SEGMENT_HEADERS_BYTES    (ETHERNET_HEADER_BYTES + IPV4_HEADER_MIN_BYTES + TCP_HEADER_MIN_BYTES)

#define SEGMENT_TIME_TO_LIVE 64u /* RFC 1700 */

struct segment_block {
    struct pool_object place;
    uint8_t headers[SEGMENT_HEADERS_BYTES + SEGMENT_OPTION_BYTES_MAX];
    uint8_t held_count;
    struct send_buffer *held[FRAME_FRAGMENT_MAX - 1];
};

/* NULL while there are as many as may be: frames on their way give theirs back. */
struct segment_block *segment_block_take(void);
void segment_block_release(struct segment_block *block);
/* The same of one that holds nothing: frame_to_send.done. */
void segment_block_release_bare(void *block);

/* A segment that is about to go, but for its payload. */
struct segment_fields {
    const uint8_t *link; /* how a frame to the next hop begins: neighbor_find() */
    const struct flow *flow;
    const uint8_t *options;
    uint32_t sequence, acknowledgment;
    uint32_t payload_bytes;
    uint32_t flow_sum; /* segment_flow_sum(), or half folded */
    uint16_t window;
    uint16_t cut_bytes; /* of payload, that the card cuts it into; 0: it does not */
    uint8_t tcp_flags;
    uint8_t option_bytes; /* a multiple of 4 */
};

/* A sum of 16-bit words in 32 bits and itself with its halves changed: the upper half is that of
 * both, the carry in it (RFC 1071 2). */
static inline uint16_t segment_fold(uint32_t sum)
{
    return (uint16_t)((sum + (sum << 16 | sum >> 16)) >> 16);
}

/* What the sums of a flow's pseudo-headers (RFC 9293 3.1) have in common: its addresses, in words
 * of 32 bits. */
static inline uint32_t segment_address_sum(const struct flow *flow)
{
    uint64_t addresses;

    __builtin_memcpy(&addresses, flow, sizeof(addresses));
    return (uint32_t)((addresses + (addresses << 32 | addresses >> 32)) >> 32);
}

/* The same in one of 16 bits, for a connection to keep. */
static inline uint16_t segment_flow_sum(const struct flow *flow)
{
    return segment_fold(segment_address_sum(flow));
}

/* That makes it the sum of one segment's with the packet's length, as it stands in the IP header:
 * the protocol, and that header off. */
#define SEGMENT_SUM_REST (swap16(IPV4_PROTOCOL_TCP) + (0xFFFFu - swap16(IPV4_HEADER_MIN_BYTES)))

_Static_assert(offsetof(struct flow, remote_address) == 0 &&
                   offsetof(struct flow, local_address) == sizeof(uint32_t) &&
                   offsetof(struct flow, local_port) ==
                       offsetof(struct flow, remote_port) + sizeof(uint16_t),
               "read as one word each");

/* DF, since a segment never exceeds the path's MTU for long; so its identification means nothing
 * (RFC 6864 4.1). */
__attribute__((always_inline)) static inline void
segment_put_headers(uint8_t *ethernet, const struct segment_fields *fields)
{
    uint16_t ip_bytes = swap16((uint16_t)(IPV4_HEADER_MIN_BYTES + TCP_HEADER_MIN_BYTES +
                                          fields->option_bytes + fields->payload_bytes));
    uint8_t *ip = ethernet + ETHERNET_HEADER_BYTES;
    uint8_t *tcp = ip + IPV4_HEADER_MIN_BYTES;
    const struct flow *flow = fields->flow;
    uint64_t addresses;
    uint32_t ports;

    /* As they stand in a segment that is received, source and destination changed. */
    __builtin_memcpy(&addresses, flow, sizeof(addresses));
    __builtin_memcpy(&ports, (const uint8_t *)flow + offsetof(struct flow, remote_port),
                     sizeof(ports));
    store_le64(ip + IPV4_SOURCE_OFFSET, addresses << 32 | addresses >> 32);
    store_le32(tcp + TCP_SOURCE_PORT_OFFSET, ports << 16 | ports >> 16);
    /* Not complemented: the card adds the rest, and where it cuts segments their lengths, too. */
    store_le32(tcp + TCP_CHECKSUM_OFFSET,
               segment_fold(fields->flow_sum + SEGMENT_SUM_REST +
                            (fields->cut_bytes != 0 ? swap16(IPV4_HEADER_MIN_BYTES) : ip_bytes)));
    __builtin_memcpy(ethernet, fields->link, NEIGHBOR_HEADER_BYTES);
    __builtin_memcpy(ip + IPV4_LENGTH_OFFSET, &ip_bytes, sizeof(ip_bytes));
    store_be64(ip + 4, (uint64_t)IPV4_DO_NOT_FRAGMENT << 32 | (uint64_t)SEGMENT_TIME_TO_LIVE << 24 |
                           IPV4_PROTOCOL_TCP << 16);
    store_be32(tcp + TCP_SEQUENCE_OFFSET, fields->sequence);
    store_be32(tcp + TCP_ACKNOWLEDGMENT_OFFSET, fields->acknowledgment);
    store_be32(tcp + 12, (TCP_HEADER_MIN_BYTES + fields->option_bytes) << 26 |
                             (uint32_t)fields->tcp_flags << 16 | fields->window);
    if (UNLIKELY(fields->option_bytes != 0)) {
        __builtin_memcpy(tcp + TCP_HEADER_MIN_BYTES, fields->options, fields->option_bytes);
    }
}

/* What a frame with these headers wants of the card. The fragments are the caller's. */
__attribute__((always_inline)) static inline void
segment_put_work(struct frame_to_send *frame, const struct segment_fields *fields)
{
    frame->offload = FRAME_INSERT_IP_CHECKSUM | FRAME_INSERT_TCP_CHECKSUM;
    frame->ip_header_offset = ETHERNET_HEADER_BYTES;
    frame->ip_header_bytes = IPV4_HEADER_MIN_BYTES;
    frame->length_bytes =
        (uint16_t)(SEGMENT_HEADERS_BYTES + fields->option_bytes + fields->payload_bytes);
    if (fields->cut_bytes != 0) {
        frame->offload |= FRAME_SEGMENT_TCP;
        frame->cut = 0;
        frame->segment_bytes = fields->cut_bytes;
        frame->tcp_header_bytes = (uint8_t)(TCP_HEADER_MIN_BYTES + fields->option_bytes);
    }
}

/* Apart from what it is a copy of, which need not be in memory. */
static inline int segment_send_elsewhere(struct segment_fields fields,
                                         const struct reference *first, uint32_t offset)
{
    return segment_remote_send(card_link_server(), &fields, first, offset);
}

/* A segment without payload, through this node's link server or another's. 0; -EAGAIN without room,
 * -ENODEV without a link server. */
MUST_CHECK __attribute__((always_inline)) static inline int
segment_block_send(const struct segment_fields *fields)
{
    struct segment_block *block;
    struct frame_to_send frame;
    int error;

    if (UNLIKELY(card_link_server() != platform_node())) {
        return segment_send_elsewhere(*fields, NULL, 0);
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
    frame.done = segment_block_release_bare;
    frame.context = block;
    error = link_server_transmit(&frame);
    if (UNLIKELY(error != 0)) {
        segment_block_release_bare(block);
    }
    return error;
}
