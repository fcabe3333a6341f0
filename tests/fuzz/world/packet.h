/* SPDX-License-Identifier: MIT */
/*
 * Frames with IPv4 packets, for fuzz targets that send some: from the client's machine to the node.
 */
#pragma once

#include "tests/fuzz/fuzzer.h"

#define ETHERNET  14u /* bytes of its header */
#define IP        ETHERNET
#define TYPE_IPV4 0x0800
#define TYPE_ARP  0x0806

extern const uint8_t packet_node_mac[6];
extern const uint8_t packet_client_mac[6];

static inline void put16(uint8_t *bytes, uint32_t value)
{
    bytes[0] = (uint8_t)(value >> 8);
    bytes[1] = (uint8_t)value;
}

static inline void put32(uint8_t *bytes, uint32_t value)
{
    put16(bytes, value >> 16);
    put16(bytes + 2, value);
}

static inline uint32_t get16(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 8 | bytes[1];
}

static inline uint32_t get32(const uint8_t *bytes)
{
    return get16(bytes) << 16 | get16(bytes + 2);
}

/* Sums of 16-bit words (RFC 1071); one that is right folds to 0xFFFF. */
uint32_t packet_add_words(uint32_t sum, const uint8_t *bytes, size_t length);
uint16_t packet_fold(uint32_t sum);
/* Of the payload of an IPv4 packet, its pseudo-header included where the protocol has one. */
uint32_t packet_payload_sum(const uint8_t *ip, uint32_t header_bytes, uint32_t length);
/* Give a packet its checksums, as far as `length` bytes of it are there. */
void packet_seal(uint8_t *ip, size_t length);
/* The headers of Ethernet and IP. */
void packet_begin(uint8_t *frame, uint8_t protocol, size_t payload_bytes);
