/* SPDX-License-Identifier: MIT */
/*
 * Frames between the clients and the server, as bytes.
 */
#include "drivers/hosted/packet.h"

#include <string.h>

#include "kernel/log.h"
#include "kernel/platform.h"
#include "libc/core/bytes.h"

#define ETHERNET_BYTES 14u
#define TYPE_IPV4      0x0800
#define TYPE_ARP       0x0806
#define ARP_BYTES      28u
#define IP_BYTES       20u
#define TCP_BYTES      20u
#define MSS_BYTES      4u /* the option of a SYN */
#define MSS            1460
#define PROTOCOL_TCP   6
#define WINDOW         65535u
#define TTL            64

static const uint8_t gateway_mac[6] = {0x52, 0x54, 0, 0, 0, 1};

static struct visitors_setting setting;
static uint8_t mac[6]; /* the server's */
static uint64_t random_state;
static unsigned sent_since_flood;
static uint64_t flood_count;

/* --- Chance --- */

/* SplitMix64: short, and every seed is a good one. */
uint64_t packet_random(void)
{
    uint64_t value = random_state += 0x9E3779B97F4A7C15ull;

    value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9ull;
    value = (value ^ value >> 27) * 0x94D049BB133111EBull;
    return value ^ value >> 31;
}

bool packet_is_lost(void)
{
    return setting.loss_per_mille != 0 && packet_random() % 1000 < setting.loss_per_mille;
}

/* --- Checksums (RFC 1071) --- */

static uint32_t add(uint32_t sum, const uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        sum += i % 2 == 0 ? (uint32_t)bytes[i] << 8 : bytes[i];
    }
    return sum;
}

static uint16_t fold(uint32_t sum)
{
    sum = (sum & 0xFFFF) + (sum >> 16);
    return (uint16_t)((sum & 0xFFFF) + (sum >> 16));
}

/* Over addresses, protocol and length, then the segment itself, of one piece. */
static uint16_t tcp_sum(const uint8_t *ip, size_t segment_bytes)
{
    uint32_t sum = add((uint32_t)PROTOCOL_TCP + (uint32_t)segment_bytes, ip + 12, 8);

    return fold(add(sum, ip + IP_BYTES, segment_bytes));
}

/* --- To the server --- */

static void put_ethernet(uint8_t *frame, uint16_t type)
{
    memcpy(frame, mac, 6);
    memcpy(frame + 6, gateway_mac, 6);
    store_be16(frame + 12, type);
}

static void put_ip(uint8_t *ip, uint32_t source, size_t payload_bytes)
{
    memset(ip, 0, IP_BYTES);
    ip[0] = 0x45;
    store_be16(ip + 2, (uint16_t)(IP_BYTES + payload_bytes));
    store_be16(ip + 6, 0x4000); /* not to be cut */
    ip[8] = TTL;
    ip[9] = PROTOCOL_TCP;
    store_be32(ip + 12, source);
    store_be32(ip + 16, VISITORS_SERVER_ADDRESS);
}

/* Returns the frame's length. */
static size_t put_segment(uint8_t *frame, const struct segment *segment)
{
    uint8_t *ip = frame + ETHERNET_BYTES, *tcp = ip + IP_BYTES;
    uint32_t option_bytes = (segment->flags & TCP_SYN) != 0 ? MSS_BYTES : 0;
    size_t tcp_bytes = TCP_BYTES + option_bytes + segment->payload_bytes;

    put_ethernet(frame, TYPE_IPV4);
    put_ip(ip, segment->client_address, tcp_bytes);
    memset(tcp, 0, TCP_BYTES);
    store_be16(tcp, segment->client_port);
    store_be16(tcp + 2, segment->server_port);
    store_be32(tcp + 4, segment->sequence);
    store_be32(tcp + 8, (segment->flags & TCP_ACK) != 0 ? segment->acknowledgment : 0);
    tcp[12] = (uint8_t)((TCP_BYTES + option_bytes) / 4 << 4);
    tcp[13] = segment->flags;
    store_be16(tcp + 14, WINDOW);
    if (option_bytes != 0) {
        store_be32(tcp + TCP_BYTES, 0x02040000u | MSS);
    }
    if (segment->payload_bytes != 0) {
        memcpy(tcp + TCP_BYTES + option_bytes, segment->payload, segment->payload_bytes);
    }
    if (setting.is_checked) {
        store_be16(ip + 10, (uint16_t)~fold(add(0, ip, IP_BYTES)));
        store_be16(tcp + 16, (uint16_t)~tcp_sum(ip, tcp_bytes));
    }
    return ETHERNET_BYTES + IP_BYTES + tcp_bytes;
}

/* What is not checked here the server's card would have found to be good. */
static unsigned frame_flags(void)
{
    return setting.is_checked ? 0 : FRAME_IP_CHECKSUM_GOOD | FRAME_L4_CHECKSUM_GOOD;
}

void packet_send(const struct segment *segment)
{
    uint8_t *frame = memory_card_reserve();

    if (frame != NULL) {
        memory_card_deliver(put_segment(frame, segment), frame_flags());
        sent_since_flood++;
    }
}

/* The gateway tells its address (RFC 826). */
static void answer_arp(const uint8_t *arp)
{
    uint8_t *frame = memory_card_reserve();

    if (frame == NULL) {
        return;
    }
    put_ethernet(frame, TYPE_ARP);
    memcpy(frame + ETHERNET_BYTES, arp, 8);
    store_be16(frame + ETHERNET_BYTES + 6, 2);
    memcpy(frame + ETHERNET_BYTES + 8, gateway_mac, 6);
    store_be32(frame + ETHERNET_BYTES + 14, VISITORS_GATEWAY_ADDRESS);
    memcpy(frame + ETHERNET_BYTES + 18, arp + 8, 10);
    memory_card_deliver(ETHERNET_BYTES + ARP_BYTES, 0);
}

/* --- From the server --- */

static enum answer_kind complain(const char *what)
{
    log_error("card", "a frame from the server: %s", what);
    return ANSWER_WRONG;
}

/* The frame as one piece: a copy where it is in several. */
static const uint8_t *in_one_piece(const struct frame_to_send *frame)
{
    static uint8_t copy[UINT16_MAX];
    size_t length = 0;

    if (frame->fragment_count == 1) {
        return frame->fragments[0].data;
    }
    for (unsigned i = 0; i < frame->fragment_count; i++) {
        memcpy(copy + length, frame->fragments[i].data, frame->fragments[i].length_bytes);
        length += frame->fragments[i].length_bytes;
    }
    return copy;
}

static enum answer_kind check(const struct frame_to_send *frame)
{
    const uint8_t *ip = in_one_piece(frame) + ETHERNET_BYTES;

    if (fold(add(0, ip, IP_BYTES)) != 0xFFFF) {
        return complain("its IP checksum is wrong");
    }
    if (tcp_sum(ip, load_be16(ip + 2) - IP_BYTES) != 0xFFFF) {
        return complain("its TCP checksum is wrong");
    }
    return ANSWER_SEGMENT;
}

enum answer_kind packet_take_apart(const struct frame_to_send *frame, bool is_checked,
                                   struct received *received)
{
    const uint8_t *bytes = frame->fragments[0].data;
    const uint8_t *ip = bytes + ETHERNET_BYTES, *tcp = ip + IP_BYTES;
    size_t header_bytes;

    if (frame->fragments[0].length_bytes < ETHERNET_BYTES + ARP_BYTES ||
        memcmp(bytes + 6, mac, 6) != 0) {
        return complain("too short, or not from its address");
    }
    if (load_be16(bytes + 12) == TYPE_ARP) {
        if (load_be16(ip + 6) == 1 && load_be32(ip + 24) == VISITORS_GATEWAY_ADDRESS) {
            answer_arp(ip);
        }
        return ANSWER_OTHER;
    }
    if (load_be16(bytes + 12) != TYPE_IPV4 || ip[9] != PROTOCOL_TCP) {
        return ANSWER_OTHER;
    }
    if (frame->fragments[0].length_bytes < ETHERNET_BYTES + IP_BYTES + TCP_BYTES || ip[0] != 0x45 ||
        memcmp(bytes, gateway_mac, 6) != 0 || load_be32(ip + 12) != VISITORS_SERVER_ADDRESS) {
        return complain("no header as it should be");
    }
    header_bytes = ETHERNET_BYTES + IP_BYTES + (tcp[12] >> 4) * 4u;
    if ((frame->offload & FRAME_SEGMENT_TCP) == 0 &&
        load_be16(ip + 2) != frame->length_bytes - ETHERNET_BYTES) {
        return complain("its length is wrong");
    }
    if (header_bytes > frame->fragments[0].length_bytes || (tcp[12] >> 4) < 5) {
        return complain("its TCP header is cut short");
    }
    received->frame = frame;
    received->header_bytes = (uint32_t)header_bytes;
    received->segment = (struct segment){
        .client_address = load_be32(ip + 16),
        .client_port = load_be16(tcp + 2),
        .server_port = load_be16(tcp),
        .sequence = load_be32(tcp + 4),
        .acknowledgment = load_be32(tcp + 8),
        .flags = tcp[13],
        .payload_bytes = (uint32_t)(frame->length_bytes - header_bytes),
    };
    return is_checked ? check(frame) : ANSWER_SEGMENT;
}

void packet_each_piece(const struct received *received, uint32_t skipped_bytes,
                       void (*take)(void *context, const uint8_t *bytes, size_t count),
                       void *context)
{
    const struct frame_to_send *frame = received->frame;
    uint32_t skip = received->header_bytes + skipped_bytes;

    for (unsigned i = 0; i < frame->fragment_count; i++) {
        const struct frame_fragment *fragment = &frame->fragments[i];

        if (skip < fragment->length_bytes) {
            take(context, (const uint8_t *)fragment->data + skip, fragment->length_bytes - skip);
            skip = 0;
        } else {
            skip -= fragment->length_bytes;
        }
    }
}

/* --- Floods --- */

#define UNDAMAGED 3u /* or more */

/* One of: SYNs of hosts that never answer; segments of no connection, with any flags; the same cut
 * short, with wrong checksums, or of any bytes behind the addresses. */
static void send_of_nobody(void)
{
    uint64_t chance = packet_random();
    struct segment segment = {
        .client_address = 0x0B000000u | (chance >> 8 & 0xFFFFFF),
        .client_port = (uint16_t)(chance >> 32),
        .server_port = (chance & 0x10) != 0 ? 80 : (uint16_t)(chance >> 48),
        .sequence = (uint32_t)packet_random(),
        .acknowledgment = (uint32_t)packet_random(),
        .flags = chance % 4 == 0 ? TCP_SYN : (uint8_t)(chance >> 40),
    };
    uint8_t *frame = memory_card_reserve();
    unsigned damage = chance >> 5 & 7;
    size_t length;

    if (frame == NULL) {
        return;
    }
    if (setting.is_flood_of_syns) {
        segment.server_port = 80;
        segment.flags = TCP_SYN;
        damage = UNDAMAGED;
    }
    length = put_segment(frame, &segment);
    switch (damage) {
    case 0:
        length = packet_random() % (length + 1);
        break;
    case 1:
        frame[ETHERNET_BYTES + packet_random() % (length - ETHERNET_BYTES)] ^= 0x55;
        break;
    case 2:
        for (size_t i = ETHERNET_BYTES; i < length; i++) {
            frame[i] = (uint8_t)packet_random();
        }
        break;
    default:
        break;
    }
    memory_card_deliver(length, damage < UNDAMAGED ? 0 : frame_flags());
    flood_count++;
}

void packet_flood(void)
{
    for (unsigned left = sent_since_flood * setting.flood; left > 0; left--) {
        send_of_nobody();
    }
    sent_since_flood = 0;
}

uint64_t packet_flood_count(void)
{
    return flood_count;
}

void packet_start(const struct visitors_setting *wanted, const uint8_t server_mac[6])
{
    setting = *wanted;
    random_state = setting.seed;
    memcpy(mac, server_mac, sizeof(mac));
}
