/* SPDX-License-Identifier: MIT */
/*
 * A transport server's world for unit tests: see fake_wire.h.
 */
#include "tests/unit/world/fake_wire.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/nic/frame.h"
#include "kernel/message/dispatch.h"
#include "kernel/platform.h"
#include "libc/core/timer.h"
#include "net/configuration.h"
#include "net/draining.h"
#include "net/link/server.h"
#include "net/packet.h"
#include "net/returning.h"
#include "net/transport/closed.h"
#include "net/transport/server.h"
#include "tests/unit/world/fake_platform.h"
#include "tests/unit/world/send_copy.h"

#define SENT_MAX     4096u
#define ETHERNET     14u
#define ETHERNET_ARP 0x0806

struct sent {
    uint8_t bytes[FRAME_MAX_BYTES];
    size_t length;
};

static const uint8_t own_mac[6] = {0x52, 0x54, 0, 0x12, 0x34, 0x56};
static const uint8_t client_mac[6] = {0x02, 0, 0, 0, 0, 2};

static struct sent *wire_frames; /* a ring: free-running indices */
static uint32_t sent_first, sent_end;
static struct sent taken;
static bool is_held, is_blocked, is_unplugged;
static unsigned cut_count;
uint64_t wire_memory_bytes = 8 * MIB;
struct wire_nic wire_nic;
uint32_t wire_client_address = WIRE_CLIENT_ADDRESS;
uint32_t wire_server_address = WIRE_OWN_ADDRESS;
uint16_t wire_client_mss = WIRE_MSS;
bool wire_has_other_speaker;
void (*wire_change_configuration)(struct configuration *configuration);
static struct {
    void (*done)(void *context);
    void *context;
} held[SENT_MAX];
static unsigned held_count;
static uint8_t *archive;
static uint16_t ip_identification;
static struct frame *arrived[SENT_MAX]; /* frames for the server's next round */
static unsigned arrived_count;
static unsigned frames_held;

/* --- Bytes --- */

static void put16(uint8_t *bytes, uint32_t value)
{
    bytes[0] = (uint8_t)(value >> 8);
    bytes[1] = (uint8_t)value;
}

static void put32(uint8_t *bytes, uint32_t value)
{
    put16(bytes, value >> 16);
    put16(bytes + 2, value);
}

static uint32_t get16(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 8 | bytes[1];
}

static uint32_t get32(const uint8_t *bytes)
{
    return get16(bytes) << 16 | get16(bytes + 2);
}

static uint32_t add_words(uint32_t sum, const uint8_t *bytes, size_t length)
{
    for (size_t i = 0; i + 1 < length; i += 2) {
        sum += get16(bytes + i);
    }
    if (length % 2 != 0) {
        sum += (uint32_t)bytes[length - 1] << 8;
    }
    return sum;
}

static uint32_t fold(uint32_t sum)
{
    while (sum > 0xFFFF) {
        sum = (sum & 0xFFFF) + (sum >> 16);
    }
    return sum;
}

static uint32_t pseudo_sum(const uint8_t *ip, uint32_t length)
{
    return fold(add_words(ip[9] + length, ip + 12, 8));
}

/* --- The link server --- */

/* Whatever the server asks the network, the client's machine answers. Returns whether it did. */
static bool answer_arp(const uint8_t *bytes)
{
    uint8_t answer[60] = {0};

    if (get16(bytes + 12) != ETHERNET_ARP || get16(bytes + 20) != 1 ||
        memcmp(bytes + 38, &(uint32_t){WIRE_CLIENT_ADDRESS}, 4) != 0) {
        return false;
    }
    memcpy(answer, own_mac, 6);
    memcpy(answer + 6, client_mac, 6);
    memcpy(answer + 12, bytes + 12, 8);
    put16(answer + 20, 2);
    memcpy(answer + 22, client_mac, 6);
    memcpy(answer + 28, bytes + 38, 4);
    memcpy(answer + 32, bytes + 22, 10);
    wire_receive_frame(answer, sizeof(answer), 0);
    return true;
}

static void put_on_wire(const uint8_t *bytes, size_t length)
{
    struct sent *sent = &wire_frames[sent_end % SENT_MAX];

    if (answer_arp(bytes)) {
        return;
    }
    sent_end++;
    assert_true(sent_end - sent_first <= SENT_MAX);
    assert_in_range(length, ETHERNET, FRAME_MAX_BYTES);
    memcpy(sent->bytes, bytes, length);
    sent->length = length;
}

/* As the NIC cuts (datasheet 7.2.4): PSH and FIN in the last segment only. */
static void cut_segments(const uint8_t *bytes, size_t length, const struct frame_to_send *frame)
{
    size_t header_bytes = ETHERNET + 20u + frame->tcp_header_bytes;
    uint8_t piece[FRAME_MAX_BYTES];

    assert_true(frame->segment_bytes > 0 && frame->segment_bytes <= WIRE_MSS);
    for (size_t at = header_bytes; at < length;) {
        size_t payload = length - at < frame->segment_bytes ? length - at : frame->segment_bytes;
        bool is_last = at + payload == length;

        memcpy(piece, bytes, header_bytes);
        memcpy(piece + header_bytes, bytes + at, payload);
        put16(piece + ETHERNET + 2, (uint32_t)(header_bytes - ETHERNET + payload));
        put32(piece + 38, get32(bytes + 38) + (uint32_t)(at - header_bytes));
        if (!is_last) {
            piece[47] &= (uint8_t) ~(WIRE_PSH | WIRE_FIN);
        }
        put_on_wire(piece, header_bytes + payload);
        at += payload;
    }
}

static void check_offload(const uint8_t *bytes, size_t length, const struct frame_to_send *frame)
{
    const uint8_t *ip = bytes + ETHERNET;
    bool is_cut = (frame->offload & FRAME_SEGMENT_TCP) != 0;

    if (get16(bytes + 12) != 0x0800) {
        assert_int_equal(frame->offload, 0);
        return;
    }
    assert_int_equal(get16(ip + 2), length - ETHERNET);
    if (frame->offload == 0) {
        assert_int_equal(fold(add_words(0, ip, 20)), 0xFFFF);
        assert_int_equal(fold(add_words(pseudo_sum(ip, (uint32_t)(length - ETHERNET - 20)), ip + 20,
                                        length - ETHERNET - 20)),
                         0xFFFF);
        return;
    }
    assert_true((frame->offload & FRAME_INSERT_IP_CHECKSUM) != 0);
    assert_int_equal(get16(ip + 10), 0);
    if (ip[9] == 6) {
        assert_true((frame->offload & FRAME_INSERT_TCP_CHECKSUM) != 0);
        assert_int_equal(get16(ip + 36),
                         pseudo_sum(ip, is_cut ? 0 : (uint32_t)(length - ETHERNET - 20)));
    } else if (ip[9] == 17 && (get16(ip + 6) & 0x3FFF) == 0) { /* whole */
        assert_int_equal(get16(ip + 26), pseudo_sum(ip, (uint32_t)(length - ETHERNET - 20)));
    }
}

void wire_put_frame(const struct frame_to_send *frame)
{
    static uint8_t bytes[65536];
    size_t length = 0;

    assert_in_range(frame->fragment_count, 1, FRAME_FRAGMENT_MAX);
    for (unsigned i = 0; i < frame->fragment_count; i++) {
        assert_in_range(frame->fragments[i].length_bytes, 1, UINT16_MAX);
        memcpy(bytes + length, frame->fragments[i].data, frame->fragments[i].length_bytes);
        length += frame->fragments[i].length_bytes;
    }
    assert_int_equal(length, frame->length_bytes);
    check_offload(bytes, length, frame);
    if ((frame->offload & FRAME_SEGMENT_TCP) != 0) {
        assert_false(wire_nic.lacks_segmentation);
        cut_count++;
        cut_segments(bytes, length, frame);
    } else {
        put_on_wire(bytes, length);
    }
}

int link_server_transmit(const struct frame_to_send *frame)
{
    if (is_unplugged) {
        return -ENODEV;
    }
    if (is_blocked) {
        return -EAGAIN;
    }
    assert_false(wire_nic.lacks_own_queue);
    wire_put_frame(frame);
    if (is_held) {
        assert_true(held_count < ARRAY_COUNT(held));
        held[held_count].done = frame->done;
        held[held_count++].context = frame->context;
    } else if (frame->done != NULL) {
        frame->done(frame->context);
    }
    return 0;
}

unsigned wire_cut_count(void)
{
    return cut_count;
}

void wire_hold_sent(bool hold)
{
    is_held = hold;
    for (unsigned i = 0; !hold && i < held_count; i++) {
        held[i].done(held[i].context);
    }
    if (!hold) {
        held_count = 0;
    }
}

void wire_block_transmit(bool block)
{
    is_blocked = block;
}

void wire_unplug(bool unplug)
{
    is_unplugged = unplug;
}

/* --- Frames to the server --- */

static void release_frame(struct frame *frame)
{
    assert_true(frames_held > 0);
    frames_held--;
    free(frame);
}

unsigned wire_frames_held(void)
{
    return frames_held;
}

void wire_receive_frame(const uint8_t *bytes, size_t length, uint16_t flags)
{
    /* The bytes stand last in their block, so that a read beyond them is seen. */
    struct frame *frame = malloc(sizeof(*frame) + length);

    assert_non_null(frame);
    *frame = (struct frame){
        .data = (uint8_t *)(frame + 1),
        .length_bytes = (uint16_t)length,
        .flags = flags,
        .release = release_frame,
    };
    memcpy(frame->data, bytes, length);
    assert_true(arrived_count < ARRAY_COUNT(arrived));
    arrived[arrived_count++] = frame;
}

static unsigned poll_wire(void *context)
{
    unsigned count = arrived_count;

    (void)context;
    for (unsigned i = 0; i < count; i++) {
        frames_held++;
        struct packet packet;

        packet_parse(&packet, arrived[i]->data, arrived[i]->length_bytes, arrived[i]->flags);
        transport_server_receive(arrived[i], &packet);
    }
    /* What was answered meanwhile is for the next round. */
    arrived_count -= count;
    memmove(arrived, arrived + count, arrived_count * sizeof(arrived[0]));
    return count;
}

static struct dispatch_source source = {.poll = poll_wire};

void wire_seal(uint8_t *bytes)
{
    uint8_t *ip = bytes + ETHERNET;
    uint32_t header_bytes = (ip[0] & 0x0F) * 4u;
    uint32_t length = get16(ip + 2) - header_bytes;
    uint8_t *payload = ip + header_bytes;
    uint8_t *sum = payload + (ip[9] == 6 ? 16 : ip[9] == 17 ? 6 : 2);

    put16(ip + 10, 0);
    put16(ip + 10, ~fold(add_words(0, ip, header_bytes)));
    put16(sum, 0);
    put16(sum, ~fold(add_words(ip[9] == 1 ? 0 : pseudo_sum(ip, length), payload, length)));
}

size_t wire_build(uint8_t *bytes, const struct segment *segment)
{
    bool is_syn = (segment->flags & WIRE_SYN) != 0;
    uint32_t tcp_bytes = is_syn ? 24 : 20;
    uint8_t *ip = bytes + ETHERNET;
    uint8_t *tcp = ip + 20;

    memset(bytes, 0, ETHERNET + 20 + tcp_bytes);
    memcpy(bytes, own_mac, 6);
    memcpy(bytes + 6, client_mac, 6);
    put16(bytes + 12, 0x0800);
    ip[0] = 0x45;
    put16(ip + 2, 20 + tcp_bytes + segment->length);
    put16(ip + 4, ip_identification++);
    ip[8] = 64;
    ip[9] = 6;
    memcpy(ip + 12, &wire_client_address, 4);
    memcpy(ip + 16, &wire_server_address, 4);
    put16(tcp, segment->client_port);
    put16(tcp + 2, WIRE_SERVER_PORT);
    put32(tcp + 4, segment->sequence);
    put32(tcp + 8, segment->acknowledgement);
    tcp[12] = (uint8_t)(tcp_bytes / 4 << 4);
    tcp[13] = segment->flags;
    put16(tcp + 14, segment->window);
    if (is_syn) {
        put32(tcp + 20, 0x02040000u | wire_client_mss);
    }
    if (segment->length != 0) {
        memcpy(tcp + tcp_bytes, segment->payload, segment->length);
    }
    wire_seal(bytes);
    return ETHERNET + 20 + tcp_bytes + segment->length;
}

void wire_send(const struct client *client, uint8_t flags, const void *payload, uint32_t length)
{
    uint8_t bytes[FRAME_MAX_BYTES];
    struct segment segment = {
        .client_port = client->port,
        .flags = flags,
        .sequence = client->send_next,
        .acknowledgement = client->receive_next,
        .window = 65535,
        .payload = payload,
        .length = length,
    };

    wire_receive_frame(bytes, wire_build(bytes, &segment),
                       FRAME_IP_CHECKSUM_GOOD | FRAME_L4_CHECKSUM_GOOD);
}

/* --- Frames from the server --- */

static bool take_frame(bool is_tcp_wanted)
{
    while (sent_first != sent_end) {
        const struct sent *sent = &wire_frames[sent_first % SENT_MAX];
        bool is_tcp = get16(sent->bytes + 12) == 0x0800 && sent->bytes[ETHERNET + 9] == 6;

        if (is_tcp != is_tcp_wanted) {
            return false;
        }
        sent_first++;
        taken = *sent;
        return true;
    }
    return false;
}

bool wire_take(struct segment *segment)
{
    const uint8_t *tcp = taken.bytes + ETHERNET + 20;
    uint32_t header_bytes;

    if (!take_frame(true)) {
        return false;
    }
    assert_memory_equal(taken.bytes, client_mac, 6);
    assert_memory_equal(taken.bytes + 6, own_mac, 6);
    assert_memory_equal(taken.bytes + ETHERNET + 12, &wire_server_address, 4);
    assert_int_equal(get16(tcp), WIRE_SERVER_PORT);
    header_bytes = (uint32_t)(tcp[12] >> 4) * 4;
    *segment = (struct segment){
        .client_port = (uint16_t)get16(tcp + 2),
        .flags = tcp[13],
        .sequence = get32(tcp + 4),
        .acknowledgement = get32(tcp + 8),
        .window = get16(tcp + 14),
        .payload = tcp + header_bytes,
        .length = get16(taken.bytes + ETHERNET + 2) - 20 - header_bytes,
    };
    return true;
}

struct segment wire_expect(const struct client *client)
{
    struct segment segment;

    assert_true(wire_take(&segment));
    assert_int_equal(segment.client_port, client->port);
    return segment;
}

bool wire_take_frame(bool is_tcp, const uint8_t **bytes, size_t *length)
{
    bool is_taken = take_frame(is_tcp);

    *bytes = taken.bytes;
    *length = taken.length;
    return is_taken;
}

bool wire_take_other(const uint8_t **bytes, size_t *length)
{
    return wire_take_frame(false, bytes, length);
}

void wire_expect_silence(void)
{
    assert_int_equal(sent_first, sent_end);
}

/* Posted messages come as there is room for them. */
void wire_clear(void)
{
    bool was_any;

    do {
        was_any = false;
        while (fake_take_message(NODE_APPLICATION) != NULL || fake_take_message(NODE_CM) != NULL) {
            was_any = true;
        }
        wire_run();
    } while (was_any);
    sent_first = sent_end;
}

/* --- Time --- */

void wire_run(void)
{
    for (unsigned i = 0; i < 1000; i++) {
        bool has_worked = dispatch_round() != 0;

        if (!wire_relay() && !has_worked && timer_next_deadline_ns() > platform_now_ns()) {
            break;
        }
    }
    closed_send_all(); /* as before its sleep */
}

void wire_advance_ns(uint64_t step_ns)
{
    fake_advance_ns(step_ns);
    wire_run();
}

uint8_t wire_archive_byte(size_t index)
{
    return (uint8_t)(index ^ index >> 8 ^ index >> 13);
}

/* --- Start --- */

void wire_bring_up_nic(void)
{
    struct nic_ready ready = {
        .header = {.type = NIC_READY, .length_bytes = sizeof(ready)},
        .queues = {{wire_nic.queues != 0 ? wire_nic.queues : 1}},
        .is_link_up = 1,
        .can_segment_tcp = !wire_nic.lacks_segmentation,
        .is_announcement_wanted = wire_nic.wants_announcement,
    };

    memcpy(ready.mac, own_mac, sizeof(ready.mac));
    if (wire_nic.lacks_own_queue) {
        fake_deliver(NODE_OTHER_CM, &ready.header);
    } else {
        post_copy(0, &ready.header);
    }
    wire_run();
}

void wire_serve(bool is_served)
{
    const struct ports_served list = {
        .header = {.type = PORTS_SERVED, .length_bytes = sizeof(list)},
        .ports = {[5] = is_served ? WIRE_SERVER_PORT : 0},
        .is_first = 1,
        .is_last = 1,
    };

    fake_deliver(NODE_CM, &list.header);
    wire_run();
}

void wire_start_with(const char *words)
{
    static char line[256];

    fake_platform_reset(0, 4);
    fake_status_page(0)->memory_bytes = wire_memory_bytes;
    /* The far ends have no event loop that could be seen to go round. */
    assert_in_range(snprintf(line, sizeof(line), "%s node_timeout=0", words), 1, sizeof(line) - 1);
    fake_set_command_line(line);
    dispatch_initialise();
    wire_frames = calloc(SENT_MAX, sizeof(*wire_frames));
    archive = malloc(WIRE_ARCHIVE_BYTES);
    assert_true(wire_frames != NULL && archive != NULL);
    for (size_t i = 0; i < WIRE_ARCHIVE_BYTES; i++) {
        archive[i] = wire_archive_byte(i);
    }
    fake_set_archive(archive, WIRE_ARCHIVE_BYTES);
    struct configuration configuration = {
        .node_count = 4,
        .roles = {ROLE_LS | ROLE_TS, ROLE_APPLICATION, ROLE_CM, ROLE_CM | ROLE_LS},
        .ls_count = 1,
        .ts_count = 1,
        .cm_count = 2,
        .application_count = 1,
        .applications = {NODE_APPLICATION},
        .cm = {NODE_CM, NODE_OTHER_CM},
        .first_cm = {NODE_CM, NODE_CM, NODE_CM, NODE_OTHER_CM},
        .own_cm = {NODE_CM, NODE_CM, NODE_CM, NODE_OTHER_CM},
    };
    if (wire_nic.lacks_own_queue) {
        configuration.ls_count = 2;
        configuration.ls[0] = NODE_OTHER_CM;
        configuration.ls[1] = 0;
        configuration.device_ls = NODE_OTHER_CM;
    }
    if (wire_has_other_speaker) {
        configuration.ts_count = 2;
        configuration.ts[0] = configuration.flow_owners[0] = NODE_OTHER_CM;
        configuration.ts[1] = configuration.flow_owners[1] = 0;
        configuration.roles[NODE_OTHER_CM] |= ROLE_TS;
        configuration.speaker = NODE_OTHER_CM;
    }
    if (wire_change_configuration != NULL) {
        wire_change_configuration(&configuration);
    }
    configuration_set_current(&configuration);
    returning_start();
    draining_start();
    transport_server_start(configuration_current());
    dispatch_register_source(&source);
    wire_serve(true);
    if (!wire_nic.is_late) {
        wire_bring_up_nic();
    }
}

const char *wire_words = "net=192.168.1.15/24,gw=192.168.1.2";

void wire_start(void)
{
    /* The client's machine is the gateway as well: its address is asked for at once. */
    wire_start_with(wire_words);
    (void)fake_expect_message(NODE_APPLICATION, ADDRESS_SET);
    wire_clear();
}
