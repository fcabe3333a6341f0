/* SPDX-License-Identifier: MIT */
/*
 * The steering scheme, and classifying frames by the flow they belong to.
 */
#include "net/steering.h"

#include <errno.h>
#include <string.h>

#include "kernel/platform.h"
#include "libc/core/bytes.h"
#include "libc/core/command_line.h"
#include "libc/core/format.h"
#include "net/headers.h"

node_id_t steering_ls(const struct configuration *configuration, unsigned group)
{
    const unsigned ts_count = configuration->ts_count;
    unsigned place = steering_position(configuration, group) * ts_count;
    unsigned piece = place >> STEERING_GROUP_BITS;
    unsigned spare_count = (configuration->spare_ls_count + ts_count - 1 - piece) / ts_count;
    unsigned within_piece = place & (STEERING_GROUP_COUNT - 1);
    unsigned part = within_piece * (1 + spare_count) >> STEERING_GROUP_BITS;

    return part == 0 ? configuration_own_ls(configuration, configuration->flow_owners[piece])
                     : configuration->spare_ls[piece + (part - 1) * ts_count];
}

#define WORD_BYTES 16 /* the longest word that can be right is shorter */

int steering_parse(struct configuration *configuration, const char *line, char *reason,
                   size_t reason_bytes)
{
    char word[WORD_BYTES];
    int length = command_line_copy(line, "steer", word, sizeof(word));

    configuration->steering = STEERING_SOURCE12;
    if (length == -ENOENT || (length >= 0 && strcmp(word, "source12") == 0)) {
        return 0;
    }
    if (length < 0 || strcmp(word, "xor6") != 0) {
        (void)format_text(reason, reason_bytes, "steer=: source12 or xor6 is expected");
        return -EINVAL;
    }
    if (configuration->ts_count > STEERING_XOR6_TS_MAX) {
        (void)format_text(reason, reason_bytes,
                          "steer=xor6 has flows for %u transport servers, there are %u",
                          STEERING_XOR6_TS_MAX, configuration->ts_count);
        return -EINVAL;
    }
    configuration->steering = STEERING_XOR6;
    return 0;
}

node_id_t steering_classify(const struct configuration *configuration, const uint8_t *frame,
                            size_t length_bytes, enum frame_kind *kind)
{
    const uint8_t *ip = frame + ETHERNET_HEADER_BYTES;
    const uint8_t *tcp;
    unsigned ip_header_bytes, tcp_header_bytes, ip_bytes;
    uint8_t flags;

    *kind = FRAME_PLAIN;
    if (length_bytes < ETHERNET_HEADER_BYTES + IPV4_HEADER_MIN_BYTES + TCP_HEADER_MIN_BYTES ||
        load_be16(frame + ETHERNET_TYPE_OFFSET) != ETHERNET_TYPE_IPV4) {
        return configuration->speaker;
    }
    ip_header_bytes = ipv4_header_bytes(ip);
    ip_bytes = load_be16(ip + IPV4_LENGTH_OFFSET);
    if (ip[0] >> 4 != 4 || ip[IPV4_PROTOCOL_OFFSET] != IPV4_PROTOCOL_TCP ||
        (load_be16(ip + IPV4_FRAGMENT_OFFSET) & IPV4_FRAGMENT_MASK) != 0 ||
        ip_header_bytes < IPV4_HEADER_MIN_BYTES ||
        ip_bytes < ip_header_bytes + TCP_HEADER_MIN_BYTES ||
        ip_bytes > length_bytes - ETHERNET_HEADER_BYTES) {
        return configuration->speaker;
    }
    tcp = ip + ip_header_bytes;
    tcp_header_bytes = tcp_header_bytes_of(tcp);
    if (tcp_header_bytes < TCP_HEADER_MIN_BYTES || ip_bytes < ip_header_bytes + tcp_header_bytes) {
        return configuration->speaker;
    }
    flags = tcp[TCP_FLAGS_OFFSET];
    if ((flags & (TCP_FLAG_SYN | TCP_FLAG_ACK | TCP_FLAG_FIN | TCP_FLAG_RST)) == TCP_FLAG_SYN) {
        *kind = FRAME_SYN;
    } else if (flags == TCP_FLAG_ACK && ip_bytes == IPV4_HEADER_MIN_BYTES + TCP_HEADER_MIN_BYTES) {
        *kind = FRAME_BARE_ACK;
    }
    return steering_owner(configuration,
                          steering_group(configuration, load_be16(tcp + TCP_SOURCE_PORT_OFFSET),
                                         load_be16(tcp + TCP_DESTINATION_PORT_OFFSET)));
}

/* In a bare ACK all headers are of their least length. */
static const uint8_t *tcp_of_bare_ack(const uint8_t *frame)
{
    ASSERT_SLOW(ipv4_header_bytes(frame + ETHERNET_HEADER_BYTES) == IPV4_HEADER_MIN_BYTES);
    return frame + ETHERNET_HEADER_BYTES + IPV4_HEADER_MIN_BYTES;
}

bool steering_supersedes(const uint8_t *later, const uint8_t *earlier)
{
    const uint8_t *later_tcp = tcp_of_bare_ack(later);
    const uint8_t *earlier_tcp = tcp_of_bare_ack(earlier);
    const unsigned addresses = ETHERNET_HEADER_BYTES + IPV4_SOURCE_OFFSET;
    uint32_t newly_acknowledged = load_be32(later_tcp + TCP_ACKNOWLEDGMENT_OFFSET) -
                                  load_be32(earlier_tcp + TCP_ACKNOWLEDGMENT_OFFSET);

    /* Both addresses; both ports and the sequence number. */
    return load_le64(later + addresses) == load_le64(earlier + addresses) &&
           load_le64(later_tcp) == load_le64(earlier_tcp) && newly_acknowledged - 1 < INT32_MAX;
}
