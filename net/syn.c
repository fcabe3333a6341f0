/* SPDX-License-Identifier: MIT */
/*
 * A SYN's way to a connection manager: see syn.h.
 */
#include "net/syn.h"

#include <errno.h>
#include <string.h>

#include "drivers/nic/frame.h"
#include "kernel/message/send.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "libc/core/bytes.h"
#include "net/counters.h"
#include "net/headers.h"
#include "net/messages.h"

_Static_assert(SYN_FRAME_MAX_BYTES >=
                   ETHERNET_HEADER_BYTES + IPV4_HEADER_MAX_BYTES + TCP_HEADER_MAX_BYTES,
               "all headers fit, with all their options");

void syn_send(node_id_t cm, node_id_t ts, const uint8_t *frame, size_t length_bytes,
              uint16_t frame_flags)
{
    struct syn_arrived *message =
        message_reserve_payload(cm, SYN_ARRIVED, sizeof(*message), length_bytes);
    const uint8_t *ip = frame + ETHERNET_HEADER_BYTES;
    const uint8_t *tcp = ip + ipv4_header_bytes(ip);

    ASSERT_SLOW(length_bytes <= SYN_FRAME_MAX_BYTES);
    ASSERT_SLOW(tcp + TCP_HEADER_MIN_BYTES <= frame + length_bytes);
    if (message == NULL) {
        counter_increment(message_refusal(cm) == -EAGAIN ? COUNTER_DROP_CHANNEL_FULL
                                                         : COUNTER_DROP_NOT_OURS);
        return;
    }
    memcpy(&message->flow.remote_address, ip + IPV4_SOURCE_OFFSET, 4);
    memcpy(&message->flow.local_address, ip + IPV4_DESTINATION_OFFSET, 4);
    memcpy(&message->flow.remote_port, tcp + TCP_SOURCE_PORT_OFFSET, 2);
    memcpy(&message->flow.local_port, tcp + TCP_DESTINATION_PORT_OFFSET, 2);
    message->ts = ts;
    message->frame_flags = frame_flags;
    memcpy(message + 1, frame, length_bytes);
    message_publish();
}

/* RFC 1071, not complemented: 0xFFFF over what holds its right checksum. */
static uint32_t add_words(uint32_t sum, const uint8_t *bytes, size_t length_bytes)
{
    for (size_t i = 0; i + 1 < length_bytes; i += 2) {
        sum += load_be16(bytes + i);
    }
    if (length_bytes % 2 != 0) {
        sum += (uint32_t)bytes[length_bytes - 1] << 8;
    }
    while (sum >> 16 != 0) {
        sum = (sum & 0xFFFF) + (sum >> 16);
    }
    return sum;
}

static bool is_ip_header_good(const uint8_t *ip)
{
    return add_words(0, ip, ipv4_header_bytes(ip)) == 0xFFFF;
}

static bool is_segment_good(const uint8_t *ip, size_t ip_bytes)
{
    size_t segment_bytes = ip_bytes - ipv4_header_bytes(ip);
    uint32_t pseudo_header =
        add_words((uint32_t)segment_bytes + IPV4_PROTOCOL_TCP, ip + IPV4_SOURCE_OFFSET, 8);

    return add_words(pseudo_header, ip + ipv4_header_bytes(ip), segment_bytes) == 0xFFFF;
}

int syn_cut_data(uint8_t *frame, size_t *length_bytes, uint16_t *flags)
{
    uint8_t *ip = frame + ETHERNET_HEADER_BYTES;
    size_t ip_bytes = load_be16(ip + IPV4_LENGTH_OFFSET);
    size_t headers_bytes = ipv4_header_bytes(ip) + tcp_header_bytes_of(ip + ipv4_header_bytes(ip));

    ASSERT_SLOW(headers_bytes <= ip_bytes && ETHERNET_HEADER_BYTES + ip_bytes <= *length_bytes);
    if (((*flags & FRAME_IP_CHECKSUM_GOOD) == 0 && !is_ip_header_good(ip)) ||
        ((*flags & FRAME_L4_CHECKSUM_GOOD) == 0 && !is_segment_good(ip, ip_bytes))) {
        return -EBADMSG;
    }
    ip[IPV4_LENGTH_OFFSET] = 0;
    ip[IPV4_LENGTH_OFFSET + 1] = (uint8_t)headers_bytes;
    *flags |= FRAME_IP_CHECKSUM_GOOD | FRAME_L4_CHECKSUM_GOOD;
    *length_bytes = ETHERNET_HEADER_BYTES + headers_bytes;
    return 0;
}
