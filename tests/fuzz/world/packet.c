/* SPDX-License-Identifier: MIT */
/*
 * Frames with IPv4 packets: see packet.h.
 */
#include "tests/fuzz/world/packet.h"

#include <string.h>

#include "tests/fuzz/world/node.h"

const uint8_t packet_node_mac[6] = {0x52, 0x54, 0, 0x12, 0x34, 0x56};
const uint8_t packet_client_mac[6] = {0x02, 0, 0, 0, 0, 2};

static uint16_t identification;

uint16_t packet_fold(uint32_t sum)
{
    while (sum > 0xFFFF) {
        sum = (sum & 0xFFFF) + (sum >> 16);
    }
    return (uint16_t)sum;
}

uint32_t packet_add_words(uint32_t sum, const uint8_t *bytes, size_t length)
{
    for (size_t i = 0; i + 1 < length; i += 2) {
        sum += get16(bytes + i);
    }
    return length % 2 != 0 ? sum + ((uint32_t)bytes[length - 1] << 8) : sum;
}

uint32_t packet_payload_sum(const uint8_t *ip, uint32_t header_bytes, uint32_t length)
{
    uint32_t pseudo = ip[9] == 1 ? 0 : packet_add_words(ip[9] + length, ip + 12, 8);

    return packet_add_words(packet_fold(pseudo), ip + header_bytes, length);
}

void packet_seal(uint8_t *ip, size_t length)
{
    uint32_t header_bytes = (ip[0] & 0x0Fu) * 4u;
    uint32_t total = get16(ip + 2);

    if (length < 20 || header_bytes < 20 || header_bytes > length) {
        return;
    }
    put16(ip + 10, 0);
    put16(ip + 10, (uint16_t)~packet_fold(packet_add_words(0, ip, header_bytes)));
    if (total < header_bytes || total > length || (get16(ip + 6) & 0x3FFF) != 0) {
        return;
    }
    uint32_t offset = ip[9] == 6 ? 16 : ip[9] == 17 ? 6 : 2;
    uint32_t payload_bytes = total - header_bytes;
    if (payload_bytes >= offset + 2 && (ip[9] == 1 || ip[9] == 6 || ip[9] == 17)) {
        put16(ip + header_bytes + offset, 0);
        put16(ip + header_bytes + offset,
              (uint16_t)~packet_fold(packet_payload_sum(ip, header_bytes, payload_bytes)));
    }
}

void packet_begin(uint8_t *frame, uint8_t protocol, size_t payload_bytes)
{
    uint8_t *ip = frame + IP;

    memcpy(frame, packet_node_mac, 6);
    memcpy(frame + 6, packet_client_mac, 6);
    put16(frame + 12, TYPE_IPV4);
    memset(ip, 0, 20);
    ip[0] = 0x45;
    put16(ip + 2, (uint32_t)(20 + payload_bytes));
    put16(ip + 4, ++identification);
    ip[8] = 64;
    ip[9] = protocol;
    put32(ip + 12, CLIENT_ADDRESS);
    put32(ip + 16, NODE_ADDRESS);
}
