/* SPDX-License-Identifier: MIT */
/*
 * A frame's headers, read once: by the link server that took it from the card, or where a copy of
 * it has come in a message (what another node wrote is input). Steering, transport server and
 * lwIP's border look at this, not at the headers again.
 */
#pragma once

#include "drivers/nic/frame.h"
#include "kernel/base.h"
#include "libc/core/bytes.h"
#include "net/headers.h"
#include "net/messages.h"

enum packet_kind {
    PACKET_OTHER,   /* anything else, ARP and fragments among it: of all fields but the kind only
                       `bytes`, `length_bytes`, `flags` and `merged_count` mean something */
    PACKET_SEGMENT, /* a whole TCP segment in IPv4 without options, lengths checked */
    PACKET_SYN,     /* such a one, with SYN and neither ACK, RST nor FIN */
};

struct packet {
    const uint8_t *bytes; /* the frame, from its Ethernet header on */
    struct flow flow;     /* as it stands there: network byte order */
    uint32_t acknowledgment, sequence;
    uint16_t length_bytes; /* of the frame */
    uint16_t flags;        /* FRAME_..., of drivers/nic/frame.h */
    union {
        struct {
            uint16_t window; /* as it stands there: not scaled */
            uint8_t tcp_flags;
            uint8_t data_offset; /* in its upper half, in words */
        };
        uint32_t control; /* all three, which are one word of the header */
    };
    uint16_t payload_offset, payload_bytes;
    uint16_t merged_count; /* pure acknowledgements that this one stands for, beside itself */
    uint8_t kind;          /* enum packet_kind */
    uint8_t option_bytes;  /* behind the TCP header's first 20 bytes */
};

/*
 * Read a frame of any length. Lengths are checked: what the fields say lies in the frame. Checksums
 * that the card has not verified are not looked at, nor are addresses.
 */
void packet_parse(struct packet *packet, const uint8_t *bytes, uint16_t length_bytes,
                  uint16_t flags);

/* Of the TCP header: IP has no options before it. */
#define PACKET_TCP_OFFSET (ETHERNET_HEADER_BYTES + IPV4_HEADER_MIN_BYTES)

static inline const uint8_t *packet_options(const struct packet *packet)
{
    return packet->bytes + PACKET_TCP_OFFSET + TCP_HEADER_MIN_BYTES;
}

/* An acknowledgement and nothing else: no other flag, no data, no options. */
static inline bool packet_is_bare_ack(const struct packet *packet)
{
    return packet->kind == PACKET_SEGMENT && packet->tcp_flags == TCP_FLAG_ACK &&
           packet->payload_bytes == 0 && packet->option_bytes == 0;
}

/* From this machine to itself, on no wire. */
static inline bool packet_is_looped(const struct packet *packet)
{
    return (packet->flags & FRAME_LOOPED) != 0;
}

/*
 * Whether the later of two bare acknowledgements says all that the earlier one does: both are of
 * the same flow, with nothing sent in between, and the later one acknowledges more. The window that
 * it names is the one that holds.
 */
bool packet_supersedes(const struct packet *later, const struct packet *earlier);

/* --- packet_parse(), for who reads every frame --- */

/* The Ethernet type, and version and length of IP's header behind it; flags and offset of a
 * fragment, a byte that may be anything, and the protocol: each looked at as one word. */
#define PACKET_TYPE_MASK      0xFFFFFF00u
#define PACKET_TYPE_PLAIN     (ETHERNET_TYPE_IPV4 << 16 | (4 << 4 | IPV4_HEADER_MIN_BYTES / 4) << 8)
#define PACKET_PROTOCOL_MASK  ((uint32_t)IPV4_FRAGMENT_MASK << 16 | 0xFFu)
#define PACKET_PROTOCOL_WHOLE IPV4_PROTOCOL_TCP

_Static_assert(ETHERNET_TYPE_OFFSET + 2 == ETHERNET_HEADER_BYTES &&
                   IPV4_FRAGMENT_OFFSET + 3 == IPV4_PROTOCOL_OFFSET,
               "they lie in words");

/* Without options of IP, addresses and ports stand side by side on the wire, too. */
_Static_assert(IPV4_SOURCE_OFFSET + 4 == IPV4_DESTINATION_OFFSET &&
                   IPV4_DESTINATION_OFFSET + 4 == IPV4_HEADER_MIN_BYTES &&
                   TCP_SOURCE_PORT_OFFSET == 0 && TCP_DESTINATION_PORT_OFFSET == 2,
               "addresses and ports are in one piece");
_Static_assert(offsetof(struct flow, remote_address) == 0 &&
                   offsetof(struct flow, local_address) == 4 &&
                   offsetof(struct flow, remote_port) == 8 &&
                   offsetof(struct flow, local_port) == 10 && sizeof(struct flow) == 12,
               "a flow is that piece");

_Static_assert(offsetof(struct packet, sequence) == offsetof(struct packet, acknowledgment) + 4 &&
                   TCP_SEQUENCE_OFFSET + 4 == TCP_ACKNOWLEDGMENT_OFFSET,
               "both are one word, turned");
_Static_assert(offsetof(struct packet, data_offset) == offsetof(struct packet, control) + 3 &&
                   offsetof(struct packet, tcp_flags) == offsetof(struct packet, control) + 2 &&
                   TCP_FLAGS_OFFSET == TCP_DATA_OFFSET_OFFSET + 1 &&
                   TCP_WINDOW_OFFSET == TCP_DATA_OFFSET_OFFSET + 2,
               "so are these");

/* Whether it is a whole TCP segment in IPv4 without options, if the lengths fit. */
static inline bool packet_is_plain(const uint8_t *bytes, uint16_t length_bytes)
{
    const uint8_t *ip = bytes + ETHERNET_HEADER_BYTES;

    return length_bytes >= PACKET_TCP_OFFSET + TCP_HEADER_MIN_BYTES &&
           (load_be32(bytes + ETHERNET_TYPE_OFFSET) & PACKET_TYPE_MASK) == PACKET_TYPE_PLAIN &&
           (load_be32(ip + IPV4_FRAGMENT_OFFSET) & PACKET_PROTOCOL_MASK) == PACKET_PROTOCOL_WHOLE;
}

__attribute__((always_inline)) static inline void packet_parse_here(struct packet *packet,
                                                                    const uint8_t *bytes,
                                                                    uint16_t length_bytes,
                                                                    uint16_t flags)
{
    const uint8_t *ip = bytes + ETHERNET_HEADER_BYTES;
    const uint8_t *tcp = bytes + PACKET_TCP_OFFSET;
    const uint32_t flags_of_syn = TCP_FLAG_SYN | TCP_FLAG_ACK | TCP_FLAG_FIN | TCP_FLAG_RST;

    packet->bytes = bytes;
    packet->length_bytes = length_bytes;
    packet->flags = flags;
    packet->merged_count = 0;
    if (LIKELY(packet_is_plain(bytes, length_bytes))) {
        uint32_t control = load_be32(tcp + TCP_DATA_OFFSET_OFFSET);
        uint64_t numbers = load_be64(tcp + TCP_SEQUENCE_OFFSET);
        uint32_t ip_bytes = load_be16(ip + IPV4_LENGTH_OFFSET);
        uint32_t tcp_header_bytes = control >> 26 & 0x3C; /* in words, in the highest four bits */
        uint32_t headers_bytes = IPV4_HEADER_MIN_BYTES + tcp_header_bytes;

        if (LIKELY(tcp_header_bytes >= TCP_HEADER_MIN_BYTES && headers_bytes <= ip_bytes &&
                   ETHERNET_HEADER_BYTES + ip_bytes <= length_bytes)) {
            __builtin_memcpy(&packet->flow, ip + IPV4_SOURCE_OFFSET, sizeof(packet->flow));
            packet->acknowledgment = (uint32_t)numbers;
            packet->sequence = (uint32_t)(numbers >> 32);
            packet->control = control;
            packet->payload_offset = (uint16_t)(ETHERNET_HEADER_BYTES + headers_bytes);
            packet->payload_bytes = (uint16_t)(ip_bytes - headers_bytes);
            packet->option_bytes = (uint8_t)(tcp_header_bytes - TCP_HEADER_MIN_BYTES);
            packet->kind = UNLIKELY((control >> 16 & flags_of_syn) == TCP_FLAG_SYN)
                               ? PACKET_SYN
                               : PACKET_SEGMENT;
            return;
        }
    }
    packet->kind = PACKET_OTHER;
}
