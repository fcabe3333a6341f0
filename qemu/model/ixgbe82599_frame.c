/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The parser of received frames: see the header.
 */
#include "ixgbe82599_frame.h"

#include <string.h>

#include "ixgbe82599_hash.h"

#define IPV4_HEADER_BYTES 20
#define IPV6_HEADER_BYTES 40

enum {
    PROTOCOL_HOP_BY_HOP = 0,
    PROTOCOL_TCP = 6,
    PROTOCOL_UDP = 17,
    PROTOCOL_ROUTING = 43,
    PROTOCOL_FRAGMENT = 44,
    PROTOCOL_DESTINATION = 60,
    PROTOCOL_SCTP = 132,
};

static void parse_l2(IXGBEFrame *frame, uint16_t vlan_type, uint16_t outer_vlan_type)
{
    size_t offset = 2 * IXGBE_MAC_BYTES;
    uint16_t type = ixgbe_get16(frame->data + offset);

    if (outer_vlan_type && type == outer_vlan_type) {
        frame->has_outer_vlan = true;
        offset += 4;
        type = ixgbe_get16(frame->data + offset);
    }
    if (type == vlan_type) {
        frame->has_vlan = true;
        frame->vlan_offset = offset;
        frame->vlan_tci = ixgbe_get16(frame->data + offset + 2);
        offset += 4;
        type = ixgbe_get16(frame->data + offset);
    }
    frame->ethertype = type;
    frame->ip_offset = offset + 2;
}

/* Fill in the ports of an unfragmented packet whose L4 header is wholly there. */
static void parse_l4(IXGBEFrame *frame)
{
    static const struct {
        uint8_t protocol;
        uint8_t header_bytes;
        IXGBEL4 l4;
    } known[] = {
        { PROTOCOL_TCP, 20, IXGBE_L4_TCP },
        { PROTOCOL_UDP, 8, IXGBE_L4_UDP },
        { PROTOCOL_SCTP, 12, IXGBE_L4_SCTP },
    };
    const size_t offset = frame->l4_offset;
    const uint8_t *header = frame->data + offset;

    if (frame->is_fragment) {
        return;
    }
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (frame->protocol == known[i].protocol && frame->l4_bytes >= known[i].header_bytes &&
            offset + known[i].header_bytes <= frame->bytes) {
            frame->l4 = known[i].l4;
            frame->source_port = ixgbe_get16(header);
            frame->destination_port = ixgbe_get16(header + 2);
            frame->tcp_flags = frame->l4 == IXGBE_L4_TCP ? header[13] : 0;
        }
    }
}

static void parse_ipv4(IXGBEFrame *frame)
{
    const size_t offset = frame->ip_offset;
    const uint8_t *header = frame->data + offset;
    size_t header_bytes, total_bytes;

    if (offset + IPV4_HEADER_BYTES > frame->bytes || header[0] >> 4 != 4) {
        return;
    }
    header_bytes = (header[0] & 0xf) * 4;
    total_bytes = ixgbe_get16(header + 2);
    if (header_bytes < IPV4_HEADER_BYTES || total_bytes < header_bytes ||
        offset + header_bytes > frame->bytes) {
        return;
    }
    frame->ip_version = 4;
    frame->has_ip_options = header_bytes > IPV4_HEADER_BYTES;
    /* More fragments, or an offset. */
    frame->is_fragment = (ixgbe_get16(header + 6) & 0x3fff) != 0;
    frame->ip_header_bytes = header_bytes;
    frame->protocol = header[9];
    frame->source = header + 12;
    frame->destination = header + 16;
    frame->l4_offset = offset + header_bytes;
    frame->l4_bytes = total_bytes - header_bytes;
    parse_l4(frame);
}

/*
 * Walk the extension headers. `offset` is that of the first one, `end` where the packet or the
 * frame ends, whichever comes first. Returns false if a header is cut short.
 */
static bool skip_ipv6_extensions(IXGBEFrame *frame, size_t *offset, size_t end)
{
    while (frame->protocol == PROTOCOL_HOP_BY_HOP || frame->protocol == PROTOCOL_ROUTING ||
           frame->protocol == PROTOCOL_DESTINATION || frame->protocol == PROTOCOL_FRAGMENT) {
        const uint8_t *header = frame->data + *offset;
        size_t header_bytes;

        if (*offset + 8 > end) {
            return false;
        }
        header_bytes = frame->protocol == PROTOCOL_FRAGMENT ? 8 : (header[1] + 1) * 8;
        if (*offset + header_bytes > end) {
            return false;
        }
        frame->has_ip_options = true;
        frame->is_fragment |= frame->protocol == PROTOCOL_FRAGMENT;
        /* Segments left, or a home address: the addresses in the checksum are others. */
        frame->l4_not_checkable |= (frame->protocol == PROTOCOL_ROUTING && header[3] != 0) ||
                                   (frame->protocol == PROTOCOL_DESTINATION && header[2] == 201);
        frame->protocol = header[0];
        *offset += header_bytes;
    }
    return true;
}

static void parse_ipv6(IXGBEFrame *frame)
{
    const uint8_t *header = frame->data + frame->ip_offset;
    size_t offset = frame->ip_offset + IPV6_HEADER_BYTES, packet_end, end;

    if (offset > frame->bytes || header[0] >> 4 != 6) {
        return;
    }
    packet_end = offset + ixgbe_get16(header + 4);
    end = packet_end < frame->bytes ? packet_end : frame->bytes;
    frame->ip_version = 6;
    frame->protocol = header[6];
    frame->source = header + 8;
    frame->destination = header + 24;
    if (!skip_ipv6_extensions(frame, &offset, end)) {
        frame->l4_not_checkable = true;
        frame->ip_header_bytes = IPV6_HEADER_BYTES;
        return;
    }
    frame->ip_header_bytes = offset - frame->ip_offset;
    frame->l4_offset = offset;
    frame->l4_bytes = packet_end - offset;
    parse_l4(frame);
}

void ixgbe_frame_parse(IXGBEFrame *frame, const uint8_t *data, size_t bytes,
                       uint16_t vlan_type, uint16_t outer_vlan_type)
{
    memset(frame, 0, sizeof(*frame));
    frame->data = data;
    frame->bytes = bytes;
    parse_l2(frame, vlan_type, outer_vlan_type);
    if (frame->ethertype == IXGBE_ETHERTYPE_IPV4) {
        parse_ipv4(frame);
    } else if (frame->ethertype == IXGBE_ETHERTYPE_IPV6) {
        parse_ipv6(frame);
    }
}

uint64_t ixgbe_frame_pseudo_sum(const IXGBEFrame *frame)
{
    size_t address_bytes = frame->ip_version == 4 ? 4 : 16;
    uint64_t sum = frame->protocol;

    sum = ixgbe_checksum_add(sum, frame->source, address_bytes);
    return ixgbe_checksum_add(sum, frame->destination, address_bytes);
}
