/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Transmit offloads: checksums, segmentation, VLAN tags.
 *
 * All offsets come from the guest and are checked against the packet before use. Tags go in
 * last, because the context's lengths describe the packet as it lies in memory. The packet has
 * IXGBE_TX_HEADROOM bytes of room in front of it.
 */
#include "ixgbe82599.h"

#include "qemu/crc32c.h"

#include "ixgbe82599_hash.h"

enum {
    VLAN_TAG_BYTES = 4,
    TCP_HEADER_BYTES = 20,
    UDP_HEADER_BYTES = 8,
    IPV4_HEADER_BYTES = 20,
    IPV6_HEADER_BYTES = 40,
};

/* A context descriptor's fields. */
typedef struct Layout {
    size_t mac_bytes;
    size_t ip_bytes;
    size_t l4_bytes;
    size_t segment_bytes;  /* MSS */
    unsigned l4;           /* TXC_L4_... */
    bool is_ipv4;
    uint16_t vlan_tci;
} Layout;

static Layout read_context(const IXGBETxContext *context)
{
    const uint32_t *dword = context->dword;

    return (Layout) {
        .ip_bytes = extract32(dword[0], 0, 9),
        .mac_bytes = extract32(dword[0], 9, 7),
        .vlan_tci = dword[0] >> 16,
        .is_ipv4 = dword[2] & TXC_IPV4,
        .l4 = extract32(dword[2], TXC_L4_SHIFT, 2),
        .l4_bytes = extract32(dword[3], 8, 8),
        .segment_bytes = dword[3] >> 16,
    };
}

/* Insert a tag after the addresses, which move into the room in front. */
static uint8_t *insert_vlan(IXGBEState *s, uint8_t *packet, uint16_t tci)
{
    uint8_t *moved = packet - VLAN_TAG_BYTES;

    memmove(moved, packet, 2 * IXGBE_MAC_BYTES);
    ixgbe_put16(moved + 2 * IXGBE_MAC_BYTES, ixgbe_get(s, IXGBE_DMATXCTL) >> 16);
    ixgbe_put16(moved + 2 * IXGBE_MAC_BYTES + 2, tci);
    return moved;
}

static void send_tagged(IXGBEState *s, unsigned queue, uint8_t *packet, size_t bytes,
                        bool has_vlan, uint16_t tci)
{
    if (has_vlan) {
        packet = insert_vlan(s, packet, tci);
        bytes += VLAN_TAG_BYTES;
    }
    ixgbe_tx_frame(s, queue, packet, bytes);
}

/* Where a layer 4 checksum lies in its header. */
static size_t l4_checksum_offset(unsigned l4)
{
    return l4 == TXC_L4_TCP ? 16 : l4 == TXC_L4_SCTP ? 8 : 6;
}

static void put_ipv4_checksum(uint8_t *header, size_t bytes)
{
    ixgbe_put16(header + 10, 0);
    ixgbe_put16(header + 10, ~ixgbe_checksum_fold(ixgbe_checksum_add(0, header, bytes)));
}

/*
 * The checksum field holds the pseudo-header's sum, to which `extra` is added: the length,
 * where the driver could not know it.
 */
static void put_l4_checksum(uint8_t *l4_header, size_t bytes, unsigned l4, size_t extra)
{
    uint8_t *field = l4_header + l4_checksum_offset(l4);
    uint16_t checksum;

    if (l4 == TXC_L4_SCTP) {
        stl_le_p(field, 0);
        stl_le_p(field, crc32c(0xffffffff, l4_header, bytes));
        return;
    }
    checksum = ~ixgbe_checksum_fold(ixgbe_checksum_add(extra, l4_header, bytes));
    /* UDP reads 0 as "none". */
    ixgbe_put16(field, checksum == 0 && l4 == TXC_L4_UDP ? 0xffff : checksum);
}

/* Do the headers that the checksums need lie inside the packet? */
static bool checksums_fit(const Layout *layout, uint32_t options, size_t bytes)
{
    size_t l4_offset = layout->mac_bytes + layout->ip_bytes;

    if ((options & TXD_IXSM) && (layout->ip_bytes < IPV4_HEADER_BYTES || l4_offset > bytes)) {
        return false;
    }
    return !(options & TXD_TXSM) ||
           l4_offset + l4_checksum_offset(layout->l4) + (layout->l4 == TXC_L4_SCTP ? 4 : 2) <=
               bytes;
}

static bool segmentation_fits(const Layout *layout, size_t bytes)
{
    size_t header_bytes = layout->mac_bytes + layout->ip_bytes + layout->l4_bytes;
    size_t ip_bytes_min = layout->is_ipv4 ? IPV4_HEADER_BYTES : IPV6_HEADER_BYTES;
    size_t l4_bytes_min = layout->l4 == TXC_L4_TCP ? TCP_HEADER_BYTES : UDP_HEADER_BYTES;

    return layout->l4 != TXC_L4_SCTP && layout->segment_bytes > 0 && header_bytes <= bytes &&
           layout->ip_bytes >= ip_bytes_min && layout->l4_bytes >= l4_bytes_min;
}

/* The flags that a segment may carry, by its place. */
static uint16_t flag_mask(IXGBEState *s, bool is_first, bool is_last)
{
    uint32_t low = ixgbe_get(s, IXGBE_DTXTCPFLGL);

    if (is_last) {
        return ixgbe_get(s, IXGBE_DTXTCPFLGH);
    }
    return is_first ? low & 0xfff : low >> 16;
}

/* What differs between the segments of one packet. */
typedef struct Segment {
    uint16_t number;
    size_t offset;         /* of its payload in the packet's payload */
    size_t payload_bytes;
    uint16_t flag_mask;
} Segment;

static void finish_segment(uint8_t *packet, const Layout *layout, const Segment *segment)
{
    uint8_t *ip = packet + layout->mac_bytes, *l4 = ip + layout->ip_bytes;
    size_t l4_total = layout->l4_bytes + segment->payload_bytes;

    if (layout->is_ipv4) {
        ixgbe_put16(ip + 2, layout->ip_bytes + l4_total);
        ixgbe_put16(ip + 4, ixgbe_get16(ip + 4) + segment->number);
        put_ipv4_checksum(ip, layout->ip_bytes);
    } else {
        ixgbe_put16(ip + 4, layout->ip_bytes - IPV6_HEADER_BYTES + l4_total);
    }
    if (layout->l4 == TXC_L4_TCP) {
        ixgbe_put32(l4 + 4, ixgbe_get32(l4 + 4) + segment->offset);
        /* The header's length shares the flags' word and stays. */
        ixgbe_put16(l4 + 12, ixgbe_get16(l4 + 12) & (0xf000 | segment->flag_mask));
    } else {
        ixgbe_put16(l4 + 4, l4_total);
    }
    put_l4_checksum(l4, l4_total, layout->l4, l4_total);
}

/* Only TCP with the usual flags; what goes out is then what segment_and_send() would make. */
static bool backend_can_segment(IXGBEState *s, const Layout *layout, size_t bytes, bool has_vlan)
{
    return ixgbe_wire_can_segment(s) && layout->l4 == TXC_L4_TCP && !has_vlan &&
           bytes - layout->mac_bytes <= UINT16_MAX &&
           !(ixgbe_get(s, IXGBE_HLREG0) & HLREG0_LOOPBACK) &&
           (flag_mask(s, true, false) & flag_mask(s, false, false) & 0x3f) == 0x36 &&
           (flag_mask(s, false, true) & 0x3f) == 0x3f;
}

/* Hand the packet over whole: headers made right for all of it, each segment counted. */
static void send_burst(IXGBEState *s, unsigned queue, const Layout *layout, uint8_t *packet,
                       size_t bytes)
{
    uint8_t *ip = packet + layout->mac_bytes, *l4 = ip + layout->ip_bytes;
    const IXGBEBurst burst = {
        .header_bytes = layout->mac_bytes + layout->ip_bytes + layout->l4_bytes,
        .segment_bytes = layout->segment_bytes,
        .tcp_offset = layout->mac_bytes + layout->ip_bytes,
        .checksum_offset = l4_checksum_offset(layout->l4),
        .is_ipv4 = layout->is_ipv4,
    };
    size_t l4_total = bytes - burst.tcp_offset;
    uint8_t *sum = l4 + burst.checksum_offset;

    if (layout->is_ipv4) {
        ixgbe_put16(ip + 2, layout->ip_bytes + l4_total);
        put_ipv4_checksum(ip, layout->ip_bytes);
    } else {
        ixgbe_put16(ip + 4, layout->ip_bytes - IPV6_HEADER_BYTES + l4_total);
    }
    ixgbe_put16(sum, ixgbe_checksum_fold((uint64_t)ixgbe_get16(sum) + l4_total));
    for (size_t offset = burst.header_bytes; offset < bytes; offset += burst.segment_bytes) {
        ixgbe_stats_tx(s, queue, packet,
                       burst.header_bytes + MIN(burst.segment_bytes, bytes - offset));
    }
    ixgbe_wire_send_burst(s, &burst, packet, bytes);
}

/* Cut the payload into segments, each with the adjusted headers in front. */
static void segment_and_send(IXGBEState *s, unsigned queue, const Layout *layout,
                             const uint8_t *packet, size_t bytes, bool has_vlan)
{
    size_t header_bytes = layout->mac_bytes + layout->ip_bytes + layout->l4_bytes;
    size_t payload_bytes = bytes - header_bytes;
    Segment segment = { .number = 0 };

    do {
        uint8_t *out = s->tx_segment + IXGBE_TX_HEADROOM;
        size_t rest = payload_bytes - segment.offset;

        segment.payload_bytes = MIN(rest, layout->segment_bytes);
        segment.flag_mask = flag_mask(s, segment.number == 0, rest == segment.payload_bytes);
        memcpy(out, packet, header_bytes);
        memcpy(out + header_bytes, packet + header_bytes + segment.offset,
               segment.payload_bytes);
        finish_segment(out, layout, &segment);
        send_tagged(s, queue, out, header_bytes + segment.payload_bytes, has_vlan, layout->vlan_tci);
        segment.offset += segment.payload_bytes;
        segment.number++;
    } while (segment.offset < payload_bytes);
}

void ixgbe_offload_advanced(IXGBEState *s, unsigned queue, const uint32_t first[4],
                            uint8_t *packet, size_t bytes)
{
    Layout layout = read_context(&s->tx_context[queue][!!(first[3] & TXD_IDX)]);
    bool has_vlan = first[2] & TXD_VLE, is_segmented = first[2] & TXD_TSE;
    uint8_t *l4 = packet + layout.mac_bytes + layout.ip_bytes;

    if (first[3] & TXD_IPSEC) {
        ixgbe_log_once(s, IXGBE_LOG_IPSEC);
    }
    if (is_segmented ? !segmentation_fits(&layout, bytes)
                     : !checksums_fit(&layout, first[3], bytes)) {
        ixgbe_log_once(s, IXGBE_LOG_TX_OFFLOAD);
        return;
    }
    if (is_segmented && backend_can_segment(s, &layout, bytes, has_vlan) &&
        bytes > layout.mac_bytes + layout.ip_bytes + layout.l4_bytes + layout.segment_bytes) {
        send_burst(s, queue, &layout, packet, bytes);
        return;
    }
    if (is_segmented) {
        segment_and_send(s, queue, &layout, packet, bytes, has_vlan);
        return;
    }
    if (first[3] & TXD_IXSM) {
        put_ipv4_checksum(packet + layout.mac_bytes, layout.ip_bytes);
    }
    if (first[3] & TXD_TXSM) {
        put_l4_checksum(l4, packet + bytes - l4, layout.l4, 0);
    }
    send_tagged(s, queue, packet, bytes, has_vlan, layout.vlan_tci);
}

/* Legacy descriptors know one checksum, from any byte to the end; tags come with the last. */
void ixgbe_offload_legacy(IXGBEState *s, unsigned queue, const uint32_t first[4],
                          const uint32_t last[4], uint8_t *packet, size_t bytes)
{
    size_t field = extract32(first[2], 16, 8), start = extract32(first[3], 8, 8);

    if (first[2] & TXD_LEGACY_IC) {
        if (field + 2 > bytes || start >= bytes) {
            ixgbe_log_once(s, IXGBE_LOG_TX_OFFLOAD);
            return;
        }
        ixgbe_put16(packet + field, ~ixgbe_checksum_fold(
            ixgbe_checksum_add(0, packet + start, bytes - start)));
    }
    send_tagged(s, queue, packet, bytes, last[2] & TXD_VLE, last[3] >> 16);
}
