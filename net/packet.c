/* SPDX-License-Identifier: MIT */
/*
 * A frame's headers, read once: see packet.h.
 */
#include "net/packet.h"

#include <string.h>

#include "kernel/platform.h"
#include "libc/core/bytes.h"
#include "net/headers.h"

#define TCP_OFFSET (ETHERNET_HEADER_BYTES + IPV4_HEADER_MIN_BYTES)

/* The Ethernet type, and version and length of IP's header behind it; flags and offset of a
 * fragment, a byte that may be anything, and the protocol: each looked at as one word. */
#define TYPE_MASK          0xFFFFFF00u
#define TYPE_PLAIN         (ETHERNET_TYPE_IPV4 << 16 | (4 << 4 | IPV4_HEADER_MIN_BYTES / 4) << 8)
#define PROTOCOL_MASK      ((uint32_t)IPV4_FRAGMENT_MASK << 16 | 0xFFu)
#define PROTOCOL_WHOLE_TCP IPV4_PROTOCOL_TCP

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

static bool is_syn(uint8_t tcp_flags)
{
    return (tcp_flags & (TCP_FLAG_SYN | TCP_FLAG_ACK | TCP_FLAG_FIN | TCP_FLAG_RST)) ==
           TCP_FLAG_SYN;
}

void packet_parse(struct packet *packet, const uint8_t *bytes, uint16_t length_bytes,
                  uint16_t flags)
{
    const uint8_t *ip = bytes + ETHERNET_HEADER_BYTES;
    const uint8_t *tcp = bytes + TCP_OFFSET;
    unsigned ip_bytes, headers_bytes;

    ASSERT_SLOW(length_bytes >= ETHERNET_HEADER_BYTES);
    packet->bytes = bytes;
    packet->length_bytes = length_bytes;
    packet->flags = flags;
    packet->merged_count = 0;
    packet->kind = PACKET_OTHER;
    if (UNLIKELY(length_bytes < TCP_OFFSET + TCP_HEADER_MIN_BYTES ||
                 (load_be32(bytes + ETHERNET_TYPE_OFFSET) & TYPE_MASK) != TYPE_PLAIN ||
                 (load_be32(ip + IPV4_FRAGMENT_OFFSET) & PROTOCOL_MASK) != PROTOCOL_WHOLE_TCP)) {
        return;
    }
    ip_bytes = load_be16(ip + IPV4_LENGTH_OFFSET);
    headers_bytes = IPV4_HEADER_MIN_BYTES + tcp_header_bytes_of(tcp);
    if (UNLIKELY(headers_bytes < IPV4_HEADER_MIN_BYTES + TCP_HEADER_MIN_BYTES ||
                 ip_bytes < headers_bytes || ip_bytes > length_bytes - ETHERNET_HEADER_BYTES)) {
        return;
    }
    memcpy(&packet->flow, ip + IPV4_SOURCE_OFFSET, sizeof(packet->flow));
    packet->sequence = load_be32(tcp + TCP_SEQUENCE_OFFSET);
    packet->acknowledgment = load_be32(tcp + TCP_ACKNOWLEDGMENT_OFFSET);
    packet->window = load_be16(tcp + TCP_WINDOW_OFFSET);
    packet->payload_offset = (uint16_t)(ETHERNET_HEADER_BYTES + headers_bytes);
    packet->payload_bytes = (uint16_t)(ip_bytes - headers_bytes);
    packet->tcp_flags = tcp[TCP_FLAGS_OFFSET];
    packet->tcp_offset = TCP_OFFSET;
    packet->option_bytes = (uint8_t)(headers_bytes - IPV4_HEADER_MIN_BYTES - TCP_HEADER_MIN_BYTES);
    packet->kind = is_syn(packet->tcp_flags) ? PACKET_SYN : PACKET_SEGMENT;
}

bool packet_supersedes(const struct packet *later, const struct packet *earlier)
{
    ASSERT_SLOW(packet_is_bare_ack(later) && packet_is_bare_ack(earlier));
    return memcmp(&later->flow, &earlier->flow, sizeof(later->flow)) == 0 &&
           later->sequence == earlier->sequence &&
           later->acknowledgment - earlier->acknowledgment - 1 < INT32_MAX;
}
