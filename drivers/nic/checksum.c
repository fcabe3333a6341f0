/* SPDX-License-Identifier: MIT */
/*
 * The Internet checksum (RFC 1071): the complement of a sum of 16-bit words in ones' complement.
 * That sum may be made in either byte order; here it is made in the machine's.
 */
#include "drivers/nic/checksum.h"

#include <string.h>

#include "kernel/platform.h"

/* Where the checksums stand in their headers (RFC 791 3.1, RFC 9293 3.1, RFC 768). */
#define IPV4_CHECKSUM_OFFSET 10u
#define TCP_CHECKSUM_OFFSET  16u
#define UDP_CHECKSUM_OFFSET  6u

#define CHECKSUM_BYTES 2u
#define BLOCK_BYTES    32u /* summed in one step */

/* Two words a step: folded, the upper one counts as much (RFC 1071 2), and no packet fills 64 bits.
 */
static inline uint64_t add_block(uint64_t sum, const uint8_t *bytes)
{
    uint32_t block[BLOCK_BYTES / sizeof(uint32_t)];

    memcpy(block, bytes, sizeof(block));
#pragma GCC unroll 8
    for (unsigned i = 0; i < sizeof(block) / sizeof(block[0]); i++) {
        sum += block[i];
    }
    return sum;
}

/* The sum goes on over these bytes, of which the first stands at an odd place or not. */
static uint64_t add_bytes(uint64_t sum, const uint8_t *bytes, size_t count, bool is_odd)
{
    uint16_t word;

    if (is_odd && count > 0) {
        sum += (uint64_t)*bytes++ << 8;
        count--;
    }
    for (; count >= BLOCK_BYTES; count -= BLOCK_BYTES) {
        sum = add_block(sum, bytes);
        bytes += BLOCK_BYTES;
    }
    for (; count >= sizeof(word); count -= sizeof(word)) {
        memcpy(&word, bytes, sizeof(word));
        sum += word;
        bytes += sizeof(word);
    }
    if (count > 0) {
        sum += *bytes;
    }
    return sum;
}

static uint16_t finish(uint64_t sum)
{
    while (sum >> 16 != 0) {
        sum = (sum & 0xFFFF) + (sum >> 16);
    }
    return (uint16_t)~sum;
}

/* Fragments are constant because most of one may lie in the boot archive; the headers, which are
 * in the first, are their sender's to be written. */
static uint8_t *headers_of(const struct frame_to_send *frame)
{
    return (uint8_t *)(uintptr_t)frame->fragments[0].data;
}

void frame_insert_ip_checksum(const struct frame_to_send *frame)
{
    uint8_t *ip = headers_of(frame) + frame->ip_header_offset;
    uint16_t checksum = 0;

    if ((frame->offload & FRAME_INSERT_IP_CHECKSUM) == 0) {
        return;
    }
    ASSERT_SLOW(frame->ip_header_offset + frame->ip_header_bytes <=
                frame->fragments[0].length_bytes);
    memcpy(ip + IPV4_CHECKSUM_OFFSET, &checksum, CHECKSUM_BYTES);
    checksum = finish(add_bytes(0, ip, frame->ip_header_bytes, false));
    memcpy(ip + IPV4_CHECKSUM_OFFSET, &checksum, CHECKSUM_BYTES);
}

static uint16_t l4_checksum(const struct frame_to_send *frame, size_t l4_offset)
{
    size_t skipped = l4_offset; /* only the first fragment has what comes before */
    size_t summed = 0;
    uint64_t sum = 0;

    for (unsigned i = 0; i < frame->fragment_count; i++) {
        const struct frame_fragment *fragment = &frame->fragments[i];
        size_t count = fragment->length_bytes - skipped;

        sum = add_bytes(sum, (const uint8_t *)fragment->data + skipped, count, summed % 2 != 0);
        summed += count;
        skipped = 0;
    }
    return finish(sum);
}

void frame_insert_checksums(const struct frame_to_send *frame, unsigned which)
{
    size_t l4_offset = (size_t)frame->ip_header_offset + frame->ip_header_bytes;
    size_t field_offset = l4_offset;
    uint16_t checksum;

    which &= frame->offload;
    ASSERT_SLOW((frame->offload & FRAME_SEGMENT_TCP) == 0);
    if ((which & FRAME_INSERT_IP_CHECKSUM) != 0) {
        frame_insert_ip_checksum(frame);
    }
    if ((which & (FRAME_INSERT_TCP_CHECKSUM | FRAME_INSERT_UDP_CHECKSUM)) == 0) {
        return;
    }
    field_offset +=
        (which & FRAME_INSERT_TCP_CHECKSUM) != 0 ? TCP_CHECKSUM_OFFSET : UDP_CHECKSUM_OFFSET;
    ASSERT_SLOW(field_offset + CHECKSUM_BYTES <= frame->fragments[0].length_bytes);
    checksum = l4_checksum(frame, l4_offset);
    if (checksum == 0 && (which & FRAME_INSERT_UDP_CHECKSUM) != 0) {
        checksum = 0xFFFF; /* 0 says that there is none (RFC 768) */
    }
    memcpy(headers_of(frame) + field_offset, &checksum, CHECKSUM_BYTES);
}
