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

/* The sum over an IPv4 header without options, in the machine's order: all ones if its checksum is
 * in it and good. */
static inline uint16_t frame_sum_plain_ip(const uint8_t *ip)
{
    uint64_t sum = (uint64_t)load_le32(ip) + load_le32(ip + 4) + load_le32(ip + 8) +
                   load_le32(ip + 12) + load_le32(ip + 16);

    sum = (sum & UINT16_MAX) + (sum >> 16 & UINT16_MAX) + (sum >> 32);
    sum = (sum & UINT16_MAX) + (sum >> 16);
    return (uint16_t)((sum & UINT16_MAX) + (sum >> 16));
}
