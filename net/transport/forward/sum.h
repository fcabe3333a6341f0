/* SPDX-License-Identifier: MIT */
/*
 * The Internet checksum (RFC 1071), changed by what has changed of a packet (RFC 1624 3). Words are
 * as they lie in memory: the sum does not depend on their bytes' order, if all have the same.
 */
#pragma once

#include "kernel/base.h"
#include "libc/core/bytes.h"
#include "net/headers.h"

#include "lwip/inet_chksum.h"

/* What a word's first byte, less by one, adds to a sum of words, in one's complement. */
#define SUM_MINUS_ONE 0xFFFEu

static inline uint16_t sum_fold(uint32_t sum)
{
    sum = (sum & 0xFFFF) + (sum >> 16);
    return (uint16_t)((sum & 0xFFFF) + (sum >> 16));
}

/* Four bytes have become others. At most some thousand of these to a sum. */
static inline uint32_t sum_replace(uint32_t sum, uint32_t before, uint32_t now)
{
    before = ~before;
    return sum + (before & 0xFFFF) + (before >> 16) + (now & 0xFFFF) + (now >> 16);
}

/* The checksum there, of a packet whose words' sum has grown by so much. */
static inline void sum_change(uint8_t *checksum, uint16_t delta)
{
    uint16_t before;
    uint32_t sum;

    __builtin_memcpy(&before, checksum, sizeof(before));
    sum =
        (uint32_t)(uint16_t)~before + delta; /* with one carry at most, and none when it is added */
    before = (uint16_t) ~(sum + (sum >> 16));
    __builtin_memcpy(checksum, &before, sizeof(before));
}

/* That of an IP header without options, from all of it. */
static inline void sum_make(uint8_t *ip)
{
    uint16_t checksum;

    __builtin_memset(ip + IPV4_CHECKSUM_OFFSET, 0, sizeof(checksum));
    checksum = inet_chksum(ip, IPV4_HEADER_MIN_BYTES);
    __builtin_memcpy(ip + IPV4_CHECKSUM_OFFSET, &checksum, sizeof(checksum));
}
