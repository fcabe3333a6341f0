/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a receive descriptor says about its frame: packet type, checksums, hash or filter, tag.
 */
#include "ixgbe82599.h"

#include "net/eth.h"
#include "qemu/crc32c.h"

#include "ixgbe82599_hash.h"

/* The packet type field, already in its place in dword 0. */
static uint32_t packet_type(const IXGBEFrame *frame, const IXGBESteering *steering)
{
    static const uint32_t l4_type[] = {
        [IXGBE_L4_OTHER] = 0, [IXGBE_L4_UDP] = PACKET_UDP, [IXGBE_L4_TCP] = PACKET_TCP,
        [IXGBE_L4_SCTP] = PACKET_SCTP,
    };
    uint32_t type = l4_type[frame->l4];

    if (steering->ether_filter >= 0) {
        type = PACKET_ETQF | steering->ether_filter;
    } else if (frame->ip_version == 4) {
        type |= frame->has_ip_options ? PACKET_IPV4 | PACKET_IPV4_OPTIONS : PACKET_IPV4;
    } else if (frame->ip_version == 6) {
        type |= frame->has_ip_options ? PACKET_IPV6 | PACKET_IPV6_EXTENSIONS : PACKET_IPV6;
    }
    return type << RXD_PACKET_TYPE_SHIFT;
}

static bool sctp_is_intact(const IXGBEFrame *frame)
{
    static const uint8_t zero[4];
    const uint8_t *packet = frame->data + frame->l4_offset;
    uint32_t crc;

    /* The checksum is taken with its own field zero. QEMU's crc32c() complements its result. */
    crc = ~crc32c(0xffffffff, packet, 8);
    crc = ~crc32c(crc, zero, sizeof(zero));
    crc = crc32c(crc, packet + 12, frame->l4_bytes - 12);
    return ldl_le_p(packet + 8) == crc;
}

static bool l4_is_intact(const IXGBEFrame *frame)
{
    uint64_t sum;

    if (frame->l4_offset + frame->l4_bytes > frame->bytes) {
        return false;
    }
    if (frame->l4 == IXGBE_L4_SCTP) {
        return sctp_is_intact(frame);
    }
    sum = ixgbe_frame_pseudo_sum(frame) + frame->l4_bytes;
    sum = ixgbe_checksum_add(sum, frame->data + frame->l4_offset, frame->l4_bytes);
    return ixgbe_checksum_fold(sum) == 0xffff;
}

static uint32_t l4_status(const IXGBEFrame *frame)
{
    uint32_t status = RXD_L4I;

    if (frame->l4 == IXGBE_L4_OTHER || frame->l4_not_checkable) {
        return 0;
    }
    if (frame->l4 == IXGBE_L4_UDP) {
        if (ixgbe_get16(frame->data + frame->l4_offset + 6) == 0) {
            /* No checksum: allowed over IPv4, an error over IPv6. */
            return frame->ip_version == 4 ? 0 : RXD_L4I | RXD_UDPCS | RXD_L4E;
        }
        status |= RXD_UDPCS;
    }
    return l4_is_intact(frame) ? status : status | RXD_L4E;
}

static uint32_t checksum_status(const IXGBEFrame *frame)
{
    uint32_t status = 0;

    if (frame->ip_version == 0) {
        return 0;
    }
    if (frame->ip_version == 4) {
        uint64_t sum = ixgbe_checksum_add(0, frame->data + frame->ip_offset,
                                          frame->ip_header_bytes);

        status = ixgbe_checksum_fold(sum) == 0xffff ? RXD_IPCS : RXD_IPCS | RXD_IPE;
    }
    return status | l4_status(frame);
}

/* Dword 1 when RXCSUM asks for it instead of the hash: IP id, and a fragment's raw checksum. */
static uint32_t fragment_report(IXGBEState *s, const IXGBEFrame *frame)
{
    uint32_t sum = 0;

    if (frame->ip_version != 4) {
        return 0;
    }
    if ((ixgbe_get(s, IXGBE_RXCSUM) & RXCSUM_IPPCSE) && frame->is_fragment) {
        size_t bytes = MIN(frame->l4_bytes, frame->bytes - frame->l4_offset);

        sum = ixgbe_checksum_fold(ixgbe_checksum_add(0, frame->data + frame->l4_offset, bytes));
    }
    return sum << 16 | ixgbe_get16(frame->data + frame->ip_offset + 4);
}

/* Is dword 1 the flow director's instead of the hash? */
static bool reports_flow_director(IXGBEState *s, const IXGBEFdirResult *fdir)
{
    uint32_t control = ixgbe_get(s, IXGBE_FDIRCTRL);

    if (control & FDIRCTRL_REPORT_ALWAYS) {
        return fdir->is_candidate;
    }
    return (control & FDIRCTRL_REPORT_STATUS) && fdir->is_match;
}

void ixgbe_rx_describe(IXGBEState *s, const IXGBEFrame *frame, const IXGBESteering *steering,
                       bool is_stripped, IXGBERxReport *report)
{
    const bool is_l2 = steering->ether_filter >= 0;

    memset(report, 0, sizeof(*report));
    report->dword0 = packet_type(frame, steering);
    if (!(ixgbe_get(s, IXGBE_RXCSUM) & RXCSUM_PCSD)) {
        report->dword1 = fragment_report(s, frame);
    } else if (reports_flow_director(s, &steering->fdir)) {
        report->dword0 |= RXD_RSS_TYPE_FLOW_DIRECTOR;
        report->dword1 = steering->fdir.id;
    } else {
        report->dword0 |= steering->rss_type;
        report->dword1 = steering->rss_hash;
    }
    report->status_error = RXD_DD | RXD_EOP | (is_l2 ? 0 : checksum_status(frame));
    report->status_error |= steering->fdir.errors;
    report->status_error |= steering->fdir.is_match ? RXD_FLM : 0;
    report->status_error |= is_multicast_ether_addr(frame->data) ? RXD_PIF : 0;
    report->status_error |= frame->has_vlan ? RXD_VP : 0;
    report->status_error |= frame->has_outer_vlan ? RXD_VEXT : 0;
    report->vlan_tag = is_stripped ? frame->vlan_tci : 0;
}
