/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the 82599's parser sees in a frame: VLAN tag, IP header, TCP, UDP or SCTP ports. It looks
 * at no device state and never beyond the frame; a header that is cut short or contradicts
 * itself ends the parsing one layer below.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IXGBE_MAC_BYTES 6

enum {
    IXGBE_ETHERTYPE_IPV4 = 0x0800,
    IXGBE_ETHERTYPE_IPV6 = 0x86dd,
    IXGBE_ETHERTYPE_FLOW_CONTROL = 0x8808,
};

/* The values of the flow director's L4 type. */
typedef enum IXGBEL4 {
    IXGBE_L4_OTHER = 0,
    IXGBE_L4_UDP = 1,
    IXGBE_L4_TCP = 2,
    IXGBE_L4_SCTP = 3,
} IXGBEL4;

typedef struct IXGBEFrame {
    const uint8_t *data;
    size_t bytes;

    bool has_outer_vlan;       /* double VLAN mode only */
    bool has_vlan;
    uint16_t vlan_offset;      /* of the (inner) tag's EtherType, if has_vlan */
    uint16_t vlan_tci;         /* 0 without a tag */
    uint16_t ethertype;        /* behind the tags */

    uint8_t ip_version;        /* 4, 6, or 0: not IP */
    bool has_ip_options;       /* IPv4 options or IPv6 extension headers */
    bool is_fragment;          /* first fragments included */
    bool l4_not_checkable;     /* an IPv6 header that changes the pseudo-header */
    uint16_t ip_offset;
    uint16_t ip_header_bytes;  /* extension headers included */
    uint8_t protocol;          /* behind the extension headers */
    const uint8_t *source;     /* addresses, 4 or 16 bytes */
    const uint8_t *destination;

    IXGBEL4 l4;                /* OTHER for fragments */
    uint16_t l4_offset;
    uint32_t l4_bytes;         /* as the IP header says; may exceed what the frame holds */
    uint16_t source_port;      /* 0 when l4 is OTHER */
    uint16_t destination_port;
    uint8_t tcp_flags;
} IXGBEFrame;

static inline uint16_t ixgbe_get16(const uint8_t *data)
{
    return data[0] << 8 | data[1];
}

static inline uint32_t ixgbe_get32(const uint8_t *data)
{
    return (uint32_t)ixgbe_get16(data) << 16 | ixgbe_get16(data + 2);
}

static inline void ixgbe_put16(uint8_t *data, uint16_t value)
{
    data[0] = value >> 8;
    data[1] = value;
}

static inline void ixgbe_put32(uint8_t *data, uint32_t value)
{
    ixgbe_put16(data, value >> 16);
    ixgbe_put16(data + 2, value);
}

/*
 * Describe a frame of at least 60 bytes, which must outlive the description.
 *
 * vlan_type        EtherType of a VLAN tag (VLNCTRL)
 * outer_vlan_type  EtherType of the outer one in double VLAN mode, 0 otherwise
 */
void ixgbe_frame_parse(IXGBEFrame *frame, const uint8_t *data, size_t bytes,
                       uint16_t vlan_type, uint16_t outer_vlan_type);

/* The sum of a pseudo-header: addresses and protocol, without the length. */
uint64_t ixgbe_frame_pseudo_sum(const IXGBEFrame *frame);
