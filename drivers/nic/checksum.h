/* SPDX-License-Identifier: MIT */
/*
 * Checksums of frames to send, in software: for drivers whose card does not insert them.
 */
#pragma once

#include "drivers/nic/frame.h"
#include "libc/core/bytes.h"

/*
 * Insert these checksums (FRAME_INSERT_..., of those that frame->offload asks for), by what
 * drivers/nic/frame.h says of a frame to send: the fields are in its first fragment, and TCP's and
 * UDP's holds the pseudo-header's sum. Not for frames that are to be cut.
 *
 * Only for a frame that is taken for certain: the field no longer holds the sum afterwards. Costs a
 * pass over the packet for TCP and UDP, over the header for IP.
 */
void frame_insert_checksums(const struct frame_to_send *frame, unsigned which);

/* IP's alone, if the frame asks for it: for a card that inserts the others. Also for one that is to
 * be cut, of which the card makes each segment's. */
void frame_insert_ip_checksum(const struct frame_to_send *frame);

/* The sum over an IPv4 header without options, in the machine's order and words of 64 bits: what is
 * carried out at the top goes in at the bottom, so folded it is that of 16-bit words. */
static inline uint64_t frame_add_plain_ip(const uint8_t *ip)
{
    uint64_t sum = load_le64(ip), last = load_le32(ip + 16);

    /* In C each carry takes three instructions. */
    __asm__("addq %1, %0\n\tadcq %2, %0\n\tadcq $0, %0"
            : "+&r"(sum)
            : "m"(*(const uint8_t(*)[8])(ip + 8)), "r"(last)
            : "cc");
    return sum;
}

/* Folded: all ones if the header's checksum is in it and good. */
static inline uint16_t frame_sum_plain_ip(const uint8_t *ip)
{
    uint64_t sum = frame_add_plain_ip(ip);
    uint32_t half;

    /* The sum of both halves stands in either half, with its carry in the upper one. */
    sum += sum << 32 | sum >> 32;
    half = (uint32_t)(sum >> 32);
    half += half << 16 | half >> 16;
    return (uint16_t)(half >> 16);
}

/* Whether a header without options has a good checksum. Cheaper than to fold: a sum of ones'
 * complement is all ones when it can be divided by that, and is not 0, which no header's is. */
static inline bool frame_is_plain_ip_good(const uint8_t *ip)
{
    return frame_add_plain_ip(ip) % UINT16_MAX == 0;
}
