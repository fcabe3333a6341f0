/* SPDX-License-Identifier: MIT */
/* sources: tests/fuzz/world/packet.c */
/*
 * The network of a whole node: see clients.h.
 */
#include "tests/fuzz/world/clients.h"

#include <string.h>

#include "drivers/nic/frame.h"
#include "kernel/platform.h"
#include "tests/fuzz/world/card.h"
#include "tests/fuzz/world/node.h"
#include "tests/fuzz/world/packet.h"

#define CLIENT_COUNT 6u
#define FIRST_PORT   20000u
#define FRESH_PORT   30000u
#define ARP_BYTES    60u
#define SYN_TRIES    5u
#define TCP          (IP + 20u)

#define FIN 0x01u
#define SYN 0x02u
#define RST 0x04u
#define PSH 0x08u
#define ACK 0x10u

struct client {
    bool is_known;         /* the node has answered its SYN */
    uint32_t first;        /* its own sequence number of the SYN */
    uint32_t send_next;    /* behind what it has sent in order */
    uint32_t node_first;   /* the node's, of the SYN-ACK */
    uint32_t receive_next; /* behind what has come in order */
    uint32_t node_expects; /* the node's last acknowledgement */
};

static struct client clients[CLIENT_COUNT];
static uint32_t ports_used; /* by clients that began anew with another one */
static uint16_t ports[CLIENT_COUNT];
static bool are_frames_checked;

/* --- What the node sends --- */

/* Of frames that are the node's own: false when the frame must not be looked at further. */
#define CHECK(condition)                                                                           \
    do {                                                                                           \
        FUZZ_CHECK((condition) || !are_frames_checked);                                            \
        if (!(condition)) {                                                                        \
            return;                                                                                \
        }                                                                                          \
    } while (0)

static struct client *client_of(uint32_t port)
{
    for (unsigned i = 0; i < CLIENT_COUNT; i++) {
        if (ports[i] == port) {
            return &clients[i];
        }
    }
    return NULL;
}

static void take_segment(const uint8_t *ip, size_t length)
{
    const uint8_t *tcp = ip + 20;
    uint32_t header_bytes = (uint32_t)(tcp[12] >> 4) * 4;
    uint32_t payload_bytes = (uint32_t)length - 20 - header_bytes;
    uint32_t sequence = get32(tcp + 4);
    struct client *client = client_of(get16(tcp + 2));

    CHECK(header_bytes >= 20 && 20 + header_bytes <= length);
    if ((tcp[13] & RST) != 0) {
        CHECK(payload_bytes == 0);
        return;
    }
    if (client == NULL || get32(ip + 16) != CLIENT_ADDRESS || get16(tcp) != NODE_PORT) {
        return;
    }
    if ((tcp[13] & SYN) != 0) {
        CHECK(payload_bytes == 0 && (tcp[13] & (FIN | ACK)) == ACK);
        client->is_known = true;
        client->node_first = sequence;
        client->receive_next = sequence + 1;
        client->send_next = client->node_expects = get32(tcp + 8);
        return;
    }
    if (!client->is_known) {
        CHECK(payload_bytes == 0);
        return;
    }
    client->node_expects = get32(tcp + 8);
    for (uint32_t i = 0; i < payload_bytes; i++) {
        CHECK(tcp[header_bytes + i] == stream_byte(sequence - client->node_first - 1 + i));
    }
    if (sequence == client->receive_next) {
        client->receive_next += payload_bytes + (tcp[13] & FIN);
    }
}

static void answer_arp(const uint8_t *request)
{
    uint8_t answer[60] = {0};

    memcpy(answer, packet_node_mac, 6);
    memcpy(answer + 6, packet_client_mac, 6);
    memcpy(answer + 12, request + 12, 8);
    put16(answer + 20, 2);
    memcpy(answer + 22, packet_client_mac, 6);
    put32(answer + 28, CLIENT_ADDRESS);
    memcpy(answer + 32, request + 22, 10);
    card_receive(answer, sizeof(answer), 0);
}

static void take_frame(uint8_t *bytes, size_t length, bool is_cut)
{
    uint8_t *ip = bytes + IP;

    if (get16(bytes + 12) == TYPE_ARP) {
        CHECK(length >= ETHERNET + 28);
        if (get16(bytes + 20) == 1 && get32(bytes + 38) == CLIENT_ADDRESS) {
            answer_arp(bytes);
        }
        return;
    }
    CHECK(get16(bytes + 12) == TYPE_IPV4 && length >= IP + 20);
    CHECK(ip[0] == 0x45 && get16(ip + 2) == length - IP);
    if (!is_cut) {
        uint32_t payload_bytes = (uint32_t)(length - IP - 20);
        bool has_sum = ip[9] != 17 || get16(ip + 26) != 0;

        CHECK(packet_fold(packet_add_words(0, ip, 20)) == 0xFFFF);
        CHECK(!has_sum || packet_fold(packet_payload_sum(ip, 20, payload_bytes)) == 0xFFFF);
    }
    if (ip[9] == 6) {
        CHECK(length >= TCP + 20);
        take_segment(ip, length - IP);
    }
}

/* --- What clients send --- */

/* Flags of a frame: what the card has found out, or nothing. A wrong sum that it calls good is
 * no input: the card is the node's own. */
static void receive(uint8_t *frame, size_t length, bool is_checked)
{
    card_receive(frame, length, is_checked ? FRAME_IP_CHECKSUM_GOOD | FRAME_L4_CHECKSUM_GOOD : 0);
}

struct segment {
    uint32_t sequence, acknowledgement;
    uint16_t window;
    uint8_t flags;
    const uint8_t *options;
    size_t option_bytes; /* a multiple of 4 */
    size_t payload_bytes;
};

/* Returns the frame's length. The payload is what stands there in the client's stream. */
static size_t build_segment(uint8_t *frame, unsigned index, const struct segment *segment)
{
    uint8_t *tcp = frame + TCP;
    size_t header_bytes = 20 + segment->option_bytes;
    size_t payload_bytes = segment->payload_bytes;

    if (TCP + header_bytes + payload_bytes > FRAME_MAX_BYTES) {
        payload_bytes = FRAME_MAX_BYTES - TCP - header_bytes;
    }
    packet_begin(frame, 6, header_bytes + payload_bytes);
    memset(tcp, 0, 20);
    put16(tcp, ports[index]);
    put16(tcp + 2, NODE_PORT);
    put32(tcp + 4, segment->sequence);
    put32(tcp + 8, segment->acknowledgement);
    tcp[12] = (uint8_t)(header_bytes / 4 << 4);
    tcp[13] = segment->flags;
    put16(tcp + 14, segment->window);
    if (segment->option_bytes > 0) {
        memcpy(tcp + 20, segment->options, segment->option_bytes);
    }
    for (size_t i = 0; i < payload_bytes; i++) {
        tcp[header_bytes + i] = stream_byte(segment->sequence - clients[index].first - 1 + i);
    }
    packet_seal(frame + IP, TCP - IP + header_bytes + payload_bytes);
    return TCP + header_bytes + payload_bytes;
}

static void send_segment(unsigned index, const struct segment *segment)
{
    uint8_t frame[FRAME_MAX_BYTES];

    receive(frame, build_segment(frame, index, segment), true);
}

static struct segment next_segment(unsigned index, uint8_t flags)
{
    return (struct segment){
        .sequence = clients[index].send_next,
        .acknowledgement = clients[index].receive_next,
        .window = 0xFFFF,
        .flags = flags,
    };
}

/* --- Actions --- */

static void send_syn(unsigned index, struct fuzz_input *input)
{
    static const uint8_t usual[] = {2, 4, 0x05, 0xB4, 4, 2, 1, 1, 1, 3, 3, 7};
    uint8_t how = fuzz_take8(input);
    size_t option_bytes = sizeof(usual);
    const uint8_t *options = usual;

    if ((how & 1) != 0) { /* under another port: a new flow */
        ports[index] = (uint16_t)(FIRST_PORT + CLIENT_COUNT + ports_used++ % 4096);
        clients[index].is_known = false;
    }
    if ((how & 2) != 0) {
        options = fuzz_take_bytes(input, how >> 3, &option_bytes);
        option_bytes &= ~(size_t)3;
    }
    if (!clients[index].is_known || (how & 4) != 0) {
        clients[index].first = clients[index].send_next + 0x10000u * how;
    }
    send_segment(index, &(struct segment){.sequence = clients[index].first,
                                          .window = 0xFFFF,
                                          .flags = SYN,
                                          .options = options,
                                          .option_bytes = option_bytes});
    node_run();
}

static void send_data(unsigned index, size_t bytes, uint8_t flags)
{
    struct segment segment = next_segment(index, ACK | flags);

    segment.payload_bytes = bytes;
    send_segment(index, &segment);
    clients[index].send_next += (uint32_t)bytes + (flags & FIN);
    node_run();
}

static void connect(unsigned index, struct fuzz_input *input)
{
    send_syn(index, input);
    if (clients[index].is_known) {
        send_data(index, fuzz_take8(input), PSH);
    }
}

/* Where in sequence space, seen from `from`. */
static uint32_t take_place(struct fuzz_input *input, uint32_t from)
{
    uint8_t how = fuzz_take8(input);

    switch (how >> 6) {
    case 0:
        return from + (how & 0x3F) - 0x20;
    case 1:
        return from + 0x100u * (how & 0x3F);
    case 2:
        return from - 0x100u * (how & 0x3F);
    default:
        return from + fuzz_take32(input);
    }
}

static struct segment take_segment_from(struct fuzz_input *input, unsigned index)
{
    struct segment segment = next_segment(index, fuzz_take8(input));

    segment.sequence = take_place(input, clients[index].send_next);
    segment.acknowledgement = take_place(input, clients[index].receive_next);
    segment.window = fuzz_take16(input);
    segment.payload_bytes = 6u * fuzz_take8(input);
    segment.options = fuzz_take_bytes(input, fuzz_take8(input) % 41u, &segment.option_bytes);
    segment.option_bytes &= ~(size_t)3;
    return segment;
}

/* Bytes of a sound segment are changed, before or after it gets its checksums. */
static void send_damaged(unsigned index, struct fuzz_input *input)
{
    uint8_t frame[FRAME_BUFFER_BYTES] = {0};
    struct segment segment = take_segment_from(input, index);
    size_t length = build_segment(frame, index, &segment);
    uint8_t how = fuzz_take8(input);

    for (unsigned i = 0; i < how % 4u + 1; i++) {
        frame[fuzz_take8(input) % 96u] = fuzz_take8(input);
    }
    if ((how & 0x10) != 0) { /* the length of the frame says another thing than its headers */
        length = fuzz_take16(input) % (FRAME_MAX_BYTES + 1);
    }
    if ((how & 0x20) != 0 && length >= IP + 20) {
        packet_seal(frame + IP, length - IP);
    }
    receive(frame, length, false);
    node_run();
}

/* A sound segment in pieces, which overlap, leave gaps and come in any order. */
static void send_fragments(unsigned index, struct fuzz_input *input)
{
    uint8_t whole[FRAME_MAX_BYTES], frame[FRAME_MAX_BYTES];
    struct segment segment = next_segment(index, ACK | PSH);
    uint8_t how = fuzz_take8(input);

    segment.payload_bytes = 6u * fuzz_take8(input);
    size_t payload_bytes = build_segment(whole, index, &segment) - TCP;
    for (unsigned i = 0; i < (how & 7u) + 1; i++) {
        size_t offset = fuzz_take8(input) * 8u;
        size_t bytes = (fuzz_take8(input) + 1u) * 8u;
        bool is_last;

        if ((how & 8) != 0) { /* behind the one before, and no more than there is */
            offset = i * 64u;
            bytes = 64;
        }
        if (offset >= payload_bytes) {
            offset = payload_bytes & ~(size_t)7;
        }
        is_last = offset + bytes >= payload_bytes;
        bytes = is_last ? payload_bytes - offset : bytes;
        memcpy(frame, whole, TCP);
        memcpy(frame + TCP, whole + TCP + offset, bytes);
        put16(frame + IP + 2, (uint32_t)(20 + bytes));
        put16(frame + IP + 6, (uint32_t)(offset / 8) | (is_last ? 0 : 0x2000u));
        packet_seal(frame + IP, 20 + bytes);
        receive(frame, TCP + bytes, false);
    }
    if ((how & 0x10) != 0) {
        clients[index].send_next += (uint32_t)segment.payload_bytes;
    }
    node_run();
}

/* Sound headers of Ethernet and IP, and whatever the input has behind them. */
static void send_packet(unsigned index, struct fuzz_input *input)
{
    static const uint8_t protocols[] = {1, 17, 6, 2};
    uint8_t frame[FRAME_MAX_BYTES];
    uint8_t how = fuzz_take8(input);
    size_t count;
    const uint8_t *bytes = fuzz_take_bytes(input, fuzz_take8(input), &count);

    (void)index;
    packet_begin(frame, protocols[how % 4u], count);
    memcpy(frame + TCP, bytes, count);
    if ((how & 4) != 0) {
        put32(frame + IP + 16, 0xFFFFFFFF);
        memset(frame, 0xFF, 6);
    }
    if ((how & 8) != 0) {
        put16(frame + IP + 6, fuzz_take16(input));
    }
    packet_seal(frame + IP, 20 + count);
    receive(frame, TCP + count, false);
    node_run();
}

/* An ICMP error that quotes a segment of the node's. */
static void send_icmp_error(unsigned index, struct fuzz_input *input)
{
    uint8_t frame[FRAME_MAX_BYTES];
    uint8_t *icmp = frame + TCP;
    uint8_t *quoted = icmp + 8;

    packet_begin(frame, 1, 8 + 20 + 8);
    memset(icmp, 0, 8 + 20 + 8);
    icmp[0] = fuzz_take8(input) % 20u;
    icmp[1] = fuzz_take8(input) % 16u;
    put16(icmp + 6, fuzz_take16(input));
    memcpy(quoted, frame + IP, 20);
    put16(quoted + 2, 1500);
    quoted[9] = 6;
    put32(quoted + 12, NODE_ADDRESS);
    put32(quoted + 16, CLIENT_ADDRESS);
    put16(quoted + 20, NODE_PORT);
    put16(quoted + 22, ports[index]);
    put32(quoted + 24, take_place(input, clients[index].receive_next));
    packet_seal(frame + IP, 20 + 8 + 20 + 8);
    receive(frame, TCP + 8 + 20 + 8, true);
    node_run();
}

static size_t build_arp(uint8_t *frame, struct fuzz_input *input)
{
    uint8_t how = fuzz_take8(input);

    memset(frame, 0, ARP_BYTES);
    memcpy(frame, packet_node_mac, 6);
    memcpy(frame + 6, packet_client_mac, 6);
    memcpy(frame + 12, (uint8_t[]){0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 1}, 10);
    frame[21] = (uint8_t)(1 + (how & 1));
    memcpy(frame + 22, packet_client_mac, 6);
    put32(frame + 28, (how & 2) != 0 ? 0xC0A80100u | fuzz_take8(input) : CLIENT_ADDRESS);
    put32(frame + 38, (how & 4) != 0 ? 0xC0A80100u | fuzz_take8(input) : NODE_ADDRESS);
    if ((how & 8) != 0) {
        frame[fuzz_take8(input) % ARP_BYTES] = fuzz_take8(input);
    }
    return ARP_BYTES;
}

static void send_arp(struct fuzz_input *input)
{
    uint8_t frame[ARP_BYTES];

    receive(frame, build_arp(frame, input), false);
    node_run();
}

static void send_any_frame(struct fuzz_input *input)
{
    uint8_t frame[256];
    size_t count;
    const uint8_t *bytes = fuzz_take_bytes(input, fuzz_take8(input), &count);

    memcpy(frame, bytes, count);
    receive(frame, count, false);
    node_run();
}

size_t clients_build_frame(uint8_t *frame, struct fuzz_input *input, bool is_syn)
{
    uint8_t how = fuzz_take8(input);
    unsigned index = how % CLIENT_COUNT;
    struct segment segment = {.sequence = clients[index].first, .window = 0xFFFF, .flags = SYN};
    size_t count;
    const uint8_t *bytes;

    if (is_syn) {
        return build_segment(frame, index, &segment);
    }
    switch (how >> 5) {
    case 0:
        return build_arp(frame, input);
    case 1:
        bytes = fuzz_take_bytes(input, fuzz_take8(input), &count);
        memcpy(frame, bytes, count);
        return count;
    default:
        segment = take_segment_from(input, index);
        return build_segment(frame, index, &segment);
    }
}

enum action {
    SEND_SYN,
    CONNECT,
    SEND_DATA,
    ACKNOWLEDGE,
    SEND_FIN,
    SEND_RST,
    SEND_SEGMENT,
    SEND_DAMAGED,
    SEND_FRAGMENTS,
    SEND_PACKET,
    SEND_ICMP_ERROR,
    SEND_ARP,
    SEND_ANY_FRAME,
    ACTION_COUNT,
};

void clients_act(struct fuzz_input *input)
{
    uint8_t action = fuzz_take8(input);
    unsigned index = fuzz_take8(input) % CLIENT_COUNT;

    switch (action % ACTION_COUNT) {
    case SEND_SYN:
        send_syn(index, input);
        break;
    case CONNECT:
        connect(index, input);
        break;
    case SEND_DATA:
        send_data(index, 6u * fuzz_take8(input), PSH);
        break;
    case ACKNOWLEDGE:
        send_data(index, 0, 0);
        break;
    case SEND_FIN:
        send_data(index, 0, FIN);
        break;
    case SEND_RST:
        send_segment(index,
                     &(struct segment){.sequence = clients[index].node_expects, .flags = RST});
        node_run();
        break;
    case SEND_SEGMENT: {
        struct segment segment = take_segment_from(input, index);

        send_segment(index, &segment);
        node_run();
        break;
    }
    case SEND_DAMAGED:
        send_damaged(index, input);
        break;
    case SEND_FRAGMENTS:
        send_fragments(index, input);
        break;
    case SEND_PACKET:
        send_packet(index, input);
        break;
    case SEND_ICMP_ERROR:
        send_icmp_error(index, input);
        break;
    case SEND_ARP:
        send_arp(input);
        break;
    default:
        send_any_frame(input);
        break;
    }
}

void clients_start(bool is_checked)
{
    are_frames_checked = is_checked;
    card_on_sent = take_frame;
    for (unsigned i = 0; i < CLIENT_COUNT; i++) {
        ports[i] = (uint16_t)(FIRST_PORT + i);
        clients[i].send_next = 1000 + 0x40000000u * i; /* some of them wrap soon */
    }
    clients[CLIENT_COUNT - 1].send_next = UINT32_MAX - 300;
}

void clients_leave(void)
{
    for (unsigned i = 0; i < CLIENT_COUNT; i++) {
        if (clients[i].is_known) {
            send_segment(i, &(struct segment){.sequence = clients[i].node_expects, .flags = RST});
            node_run();
        }
    }
}

void clients_ask(void)
{
    uint8_t usual[] = {2, 4, 0x05, 0xB4};
    struct client *client = &clients[0];

    ports[0] = FRESH_PORT;
    *client = (struct client){.first = 77};
    /* An answer may have to wait for a neighbour's address that was not asked for in time. */
    for (unsigned i = 0; i < SYN_TRIES && !client->is_known; i++) {
        send_segment(0, &(struct segment){.sequence = client->first,
                                          .window = 0xFFFF,
                                          .flags = SYN,
                                          .options = usual,
                                          .option_bytes = sizeof(usual)});
        node_advance_ns(NS_PER_S);
    }
    FUZZ_CHECK(client->is_known);
    send_data(0, 1, PSH);
}

size_t clients_answer_bytes(void)
{
    return clients[0].receive_next - clients[0].node_first - 1;
}
