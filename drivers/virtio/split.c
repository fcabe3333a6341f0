/* SPDX-License-Identifier: MIT */
/*
 * Splitting a long TCP segment: see split.h.
 */
#include "drivers/virtio/split.h"

#include <string.h>

#include "drivers/nic/checksum.h"
#include "libc/core/bits.h"
#include "libc/core/bytes.h"

/* Where fields stand in the headers (RFC 791 3.1, RFC 9293 3.1). */
#define ETHERTYPE_PLACE      12u
#define IP_PLACE             14u
#define IP_LENGTH_PLACE      16u
#define IP_ID_PLACE          18u
#define IP_FRAGMENT_PLACE    20u
#define IP_PROTOCOL_PLACE    23u
#define IP_CHECKSUM_PLACE    24u
#define IP_ADDRESSES_PLACE   26u
#define TCP_PLACE            34u
#define TCP_SEQUENCE_PLACE   VIRTIO_SPLIT_SEQUENCE_PLACE
#define TCP_LENGTH_PLACE     46u
#define TCP_FLAGS_PLACE      47u
#define TCP_CHECKSUM_PLACE   50u
#define TCP_HEADER_MIN_BYTES 20u

#define ETHERTYPE_IPV4   0x0800u
#define IPV4_PLAIN_FIRST 0x45u   /* version 4, five words */
#define IP_UNCUT         0x4000u /* it must not be cut */
#define IP_FRAGMENT      0x3FFFu /* an offset, or more to come */
#define PROTOCOL_TCP     6u

#define TCP_FIN BIT(0)
#define TCP_SYN BIT(1)
#define TCP_RST BIT(2)
#define TCP_PSH BIT(3)
#define TCP_URG BIT(5)
#define TCP_CWR BIT(7)

static uint16_t fold(uint32_t sum)
{
    sum = (sum & UINT16_MAX) + (sum >> 16);
    return (uint16_t)(sum + (sum >> 16));
}

/* Make of the headers at `at` those of a piece with so much payload. */
static void put_fields(const struct virtio_split *split, uint8_t *at, uint32_t payload_bytes,
                       uint64_t tcp_flags)
{
    uint32_t ip_bytes = split->header_bytes - IP_PLACE + payload_bytes;

    store_be16(at + IP_LENGTH_PLACE, (uint16_t)ip_bytes);
    store_be16(at + IP_ID_PLACE, split->identification);
    store_le16(at + IP_CHECKSUM_PLACE, 0);
    store_le16(at + IP_CHECKSUM_PLACE, (uint16_t)~frame_sum_plain_ip(at + IP_PLACE));
    store_be32(at + TCP_SEQUENCE_PLACE, split->sequence);
    at[TCP_FLAGS_PLACE] = (uint8_t)tcp_flags;
    store_be16(at + TCP_CHECKSUM_PLACE,
               fold(split->pseudo_sum + ip_bytes - (TCP_PLACE - IP_PLACE)));
}

/* The next piece has been made, with so much payload. */
static void go_on(struct virtio_split *split, uint32_t payload_bytes)
{
    split->sequence += payload_bytes;
    split->identification = (uint16_t)(split->identification + split->is_numbered);
}

/* What kind of frame it is: its headers are here, in a copy. */
static bool is_splittable(const uint8_t *headers)
{
    return load_be16(headers + ETHERTYPE_PLACE) == ETHERTYPE_IPV4 &&
           headers[IP_PLACE] == IPV4_PLAIN_FIRST && headers[IP_PROTOCOL_PLACE] == PROTOCOL_TCP &&
           (load_be16(headers + IP_FRAGMENT_PLACE) & IP_FRAGMENT) == 0 &&
           (headers[TCP_FLAGS_PLACE] & (TCP_SYN | TCP_RST | TCP_URG)) == 0 &&
           frame_is_plain_ip_good(headers + IP_PLACE);
}

bool virtio_split_begin(struct virtio_split *split, struct frame *frame, uint32_t whole_bytes)
{
    uint8_t *headers = split->headers;
    uint32_t tcp_bytes, header_bytes, all_bytes, first_bytes;

    if (frame->length_bytes <= VIRTIO_SPLIT_HEADERS_MAX) {
        return false;
    }
    memcpy(headers, frame->data, VIRTIO_SPLIT_HEADERS_MAX);
    if (!is_splittable(headers)) {
        return false;
    }
    tcp_bytes = (headers[TCP_LENGTH_PLACE] >> 4) * 4u;
    header_bytes = TCP_PLACE + tcp_bytes;
    all_bytes = load_be16(headers + IP_LENGTH_PLACE) + IP_PLACE;
    first_bytes = frame->length_bytes - header_bytes;
    if (tcp_bytes < TCP_HEADER_MIN_BYTES || all_bytes <= frame->length_bytes) {
        return false;
    }
    split->header_bytes = (uint8_t)header_bytes;
    split->tcp_flags = headers[TCP_FLAGS_PLACE];
    split->identification = load_be16(headers + IP_ID_PLACE);
    split->sequence = load_be32(headers + TCP_SEQUENCE_PLACE);
    split->left_bytes = all_bytes - frame->length_bytes;
    split->pseudo_sum = PROTOCOL_TCP;
    for (unsigned i = 0; i < 8; i += 2) {
        split->pseudo_sum += load_be16(headers + IP_ADDRESSES_PLACE + i);
    }
    /* That of a packet which nobody may cut says nothing (RFC 6864 4.1). */
    split->is_numbered = (load_be16(headers + IP_FRAGMENT_PLACE) & IP_UNCUT) == 0;
    split->whole_bytes = whole_bytes;
    memcpy(frame->data, headers, header_bytes);
    put_fields(split, frame->data, first_bytes, split->tcp_flags & ~(TCP_FIN | TCP_PSH));
    virtio_split_set_flags(frame);
    go_on(split, first_bytes);
    put_fields(split, headers, whole_bytes, split->tcp_flags & ~(TCP_FIN | TCP_PSH | TCP_CWR));
    return true;
}

bool virtio_split_next(struct virtio_split *split, struct frame *frame, uint8_t *bytes,
                       uint32_t count)
{
    uint64_t flags = split->tcp_flags & ~TCP_CWR; /* once for the whole (RFC 3168 6.1.2) */

    count = count < split->left_bytes ? count : split->left_bytes;
    if (count == 0) {
        return false;
    }
    split->left_bytes -= count;
    if (split->left_bytes > 0) {
        flags &= ~(TCP_FIN | TCP_PSH);
    }
    frame->data = bytes - split->header_bytes;
    frame->length_bytes = (uint16_t)(split->header_bytes + count);
    memcpy(frame->data, split->headers, split->header_bytes);
    put_fields(split, frame->data, count, flags);
    virtio_split_set_flags(frame);
    go_on(split, count);
    return true;
}
