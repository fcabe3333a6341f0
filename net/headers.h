/* SPDX-License-Identifier: MIT */
/*
 * The few fields of Ethernet, IPv4 (RFC 791 3.1), TCP (RFC 9293 3.1), UDP (RFC 768) and ICMP
 * (RFC 792, RFC 1191 4) headers that we read ourselves. Offsets in bytes from the header's start.
 */
#pragma once

#include "kernel/base.h"

#define ETHERNET_HEADER_BYTES 14u
#define ETHERNET_TYPE_OFFSET  12
#define ETHERNET_TYPE_IPV4    0x0800

#define IPV4_HEADER_MIN_BYTES   20u
#define IPV4_HEADER_MAX_BYTES   60u /* with options */
#define IPV4_LENGTH_OFFSET      2
#define IPV4_FRAGMENT_OFFSET    6
#define IPV4_DO_NOT_FRAGMENT    0x4000u
#define IPV4_FRAGMENT_MASK      0x3FFFu /* more fragments, or not the first one */
#define IPV4_TTL_OFFSET         8
#define IPV4_PROTOCOL_OFFSET    9
#define IPV4_PROTOCOL_TCP       6
#define IPV4_PROTOCOL_UDP       17
#define IPV4_CHECKSUM_OFFSET    10
#define IPV4_SOURCE_OFFSET      12
#define IPV4_DESTINATION_OFFSET 16

#define TCP_HEADER_MIN_BYTES        20u
#define TCP_HEADER_MAX_BYTES        60u /* with options */
#define TCP_SOURCE_PORT_OFFSET      0
#define TCP_DESTINATION_PORT_OFFSET 2
#define TCP_SEQUENCE_OFFSET         4
#define TCP_ACKNOWLEDGMENT_OFFSET   8
#define TCP_DATA_OFFSET_OFFSET      12
#define TCP_FLAGS_OFFSET            13
#define TCP_WINDOW_OFFSET           14
#define TCP_CHECKSUM_OFFSET         16
#define TCP_FLAG_FIN                0x01
#define TCP_FLAG_SYN                0x02
#define TCP_FLAG_RST                0x04
#define TCP_FLAG_PSH                0x08
#define TCP_FLAG_ACK                0x10

#define UDP_HEADER_BYTES            8u
#define UDP_DESTINATION_PORT_OFFSET 2
#define UDP_LENGTH_OFFSET           4
#define UDP_CHECKSUM_OFFSET         6

#define ICMP_HEADER_BYTES 8u
#define ICMP_MTU_OFFSET   6  /* in "fragmentation needed" */
#define ICMP_QUOTED_BYTES 8u /* at least so many beyond the quoted IP header */

/* Unchecked: 0 .. 60. */
static inline unsigned ipv4_header_bytes(const uint8_t *ip)
{
    return (ip[0] & 0x0Fu) * 4;
}
