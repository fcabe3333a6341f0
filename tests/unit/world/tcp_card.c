/* SPDX-License-Identifier: MIT */
/* sources: net/transport/tcp/queue.c net/transport/tcp/send_buffer.c net/transport/tcp/segment_out.c net/transport/tcp/segment_block.c net/transport/tcp/segment_bare.c net/transport/tcp/segment_remote.c net/link/transmit.c tests/unit/world/fake_memory.c tests/unit/world/panic.c */
#include "tests/unit/world/tcp_card.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/nic/frame.h"
#include "kernel/message/send.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "libc/core/bytes.h"
#include "net/handlers.h"
#include "net/headers.h"
#include "net/link/server.h"
#include "net/link/transmit.h"
#include "net/transport/card.h"
#include "net/transport/loopback.h"
#include "net/transport/lwip/interface.h"
#include "net/transport/neighbor.h"
#include "net/transport/tcp/receiver.h"
#include "net/transport/tcp/tcb.h"
#include "tests/unit/world/fake_memory.h"

#define OTHER_NODE 1

static const uint8_t own_mac[6] = {2, 0, 0, 0, 0, 9};

uint8_t card_archive[CARD_ARCHIVE_BYTES];
uint64_t card_now_ns;
unsigned card_room;
int card_error;
bool card_is_remote, card_can_cut, card_knows_neighbors;
unsigned card_sack_bytes;
uint16_t card_window;
unsigned card_taken_count, card_message_count, card_acks_noted, card_later_count;
uint32_t card_asked_for;
uint8_t card_later[128];
unsigned card_later_bytes;

static struct status_page status_page;
struct status_page *status_own_page = &status_page;
struct own_ring own_ring;

/* Frames that the card has taken and not read, with what they were then. */
static struct {
    struct frame_to_send frame;
    uint8_t bytes[65536 + 128];
} ring[CARD_FRAMES_MAX];
static unsigned ring_head, ring_tail;

/* Frames that the test has not looked at. */
static struct card_frame taken[CARD_FRAMES_MAX];
static unsigned taken_head, taken_tail;

static message_payload_handler handlers[MESSAGE_TYPE_MAX];
static _Alignas(8) uint8_t message_bytes[MESSAGE_MAX_BYTES];

void card_reset(void)
{
    for (uint32_t i = 0; i < CARD_ARCHIVE_BYTES; i++) {
        card_archive[i] = (uint8_t)(i * 7 + i / 251);
    }
    card_now_ns = 5 * NS_PER_S;
    card_room = 1000000;
    card_error = 0;
    card_is_remote = false;
    card_can_cut = true;
    card_knows_neighbors = true;
    card_sack_bytes = 0;
    card_window = 0x4321;
    card_taken_count = card_message_count = card_acks_noted = card_later_count = 0;
    card_asked_for = 0;
    memset(&status_page, 0, sizeof(status_page));
    ring_head = ring_tail = taken_head = taken_tail = 0;
    memory_fault = NULL;
    own_ring.node = 0;
    link_transmit_initialise();
}

/* --- The machine --- */

bool fake_allocation_fails(void)
{
    return false;
}

node_id_t platform_node(void)
{
    return 0;
}

const void *platform_archive_start(void)
{
    return card_archive;
}

size_t platform_archive_bytes(void)
{
    return CARD_ARCHIVE_BYTES;
}

uint64_t platform_random(void)
{
    return 17;
}

uint64_t status_memory_bytes(node_id_t node)
{
    (void)node;
    return CARD_MEMORY_BYTES;
}

uint64_t dispatch_now_ns(void)
{
    return card_now_ns;
}

uint32_t tcp_now_us(void)
{
    return (uint32_t)(card_now_ns / NS_PER_US);
}

/* --- Messages to the other node's link server, which is the real one --- */

void net_register_payload_message(uint16_t type, message_payload_handler handler)
{
    handlers[type] = handler;
}

struct message *send_reserve(node_id_t to, size_t length_bytes)
{
    assert_int_equal(to, OTHER_NODE);
    assert_true(length_bytes <= sizeof(message_bytes));
    if (card_error != 0 || card_room == 0) {
        return NULL;
    }
    own_ring.building = BUILT_IN_CHANNEL;
    return (struct message *)message_bytes;
}

int message_refusal(node_id_t to)
{
    assert_int_equal(to, OTHER_NODE);
    return card_error != 0 ? card_error : -EAGAIN;
}

void send_publish(void)
{
    const struct message *message = (const struct message *)message_bytes;
    size_t fixed_bytes = message->header.type == TRANSMIT_FRAME ? sizeof(struct transmit_frame)
                                                                : sizeof(struct transmit_segment);
    unsigned before = card_taken_count;

    own_ring.building = BUILT_NOWHERE;
    card_message_count++;
    handlers[message->header.type](
        0, message,
        (struct message_payload){message_bytes + fixed_bytes,
                                 message->header.length_bytes - fixed_bytes});
    /* It is found good; only for want of memory it is lost there. */
    assert_true(card_taken_count == before + 1 || memory_fault != NULL);
    memset(message_bytes, 0xEE, sizeof(message_bytes));
}

/* --- The card --- */

static uint16_t expected_sum(const uint8_t *ip, uint32_t tcp_bytes)
{
    uint32_t sum = IPV4_PROTOCOL_TCP + tcp_bytes;

    for (unsigned i = IPV4_SOURCE_OFFSET; i < IPV4_HEADER_MIN_BYTES; i += 2) {
        sum += load_be16(ip + i);
    }
    while (sum > 0xFFFF) {
        sum = (sum & 0xFFFF) + (sum >> 16);
    }
    return (uint16_t)sum;
}

static void check_headers(const struct frame_to_send *frame, const uint8_t *bytes)
{
    const uint8_t *ip = bytes + ETHERNET_HEADER_BYTES;
    const uint8_t *tcp = ip + IPV4_HEADER_MIN_BYTES;
    bool is_cut = (frame->offload & FRAME_SEGMENT_TCP) != 0;
    uint32_t tcp_bytes = (uint32_t)frame->length_bytes - ETHERNET_HEADER_BYTES - 20;

    assert_int_equal(frame->offload & ~FRAME_SEGMENT_TCP,
                     FRAME_INSERT_IP_CHECKSUM | FRAME_INSERT_TCP_CHECKSUM);
    assert_int_equal(frame->ip_header_offset, ETHERNET_HEADER_BYTES);
    assert_int_equal(frame->ip_header_bytes, IPV4_HEADER_MIN_BYTES);
    assert_memory_equal(bytes + 6, own_mac, 6);
    assert_int_equal(load_be16(bytes + ETHERNET_TYPE_OFFSET), ETHERNET_TYPE_IPV4);
    assert_int_equal(ip[0], 0x45);
    assert_int_equal(load_be16(ip + IPV4_LENGTH_OFFSET),
                     frame->length_bytes - ETHERNET_HEADER_BYTES);
    assert_int_equal(load_be16(ip + IPV4_FRAGMENT_OFFSET), IPV4_DO_NOT_FRAGMENT);
    assert_int_equal(ip[8], 64);
    assert_int_equal(ip[IPV4_PROTOCOL_OFFSET], IPV4_PROTOCOL_TCP);
    assert_int_equal(load_be16(ip + IPV4_CHECKSUM_OFFSET), 0);
    assert_int_equal(load_be16(tcp + TCP_CHECKSUM_OFFSET),
                     expected_sum(ip, is_cut ? 0 : tcp_bytes));
    assert_int_equal(load_be16(tcp + 18), 0); /* no urgent data */
    if (is_cut) {
        assert_true(card_can_cut);
        assert_int_equal(frame->tcp_header_bytes, (tcp[TCP_DATA_OFFSET_OFFSET] >> 4) * 4);
        assert_true(frame->segment_bytes > 0 && 54u + frame->segment_bytes < frame->length_bytes);
    } else {
        assert_true(frame->length_bytes <= FRAME_MAX_BYTES);
    }
}

static void note_frame(const struct frame_to_send *frame, const uint8_t *bytes)
{
    struct card_frame *note = &taken[taken_tail % CARD_FRAMES_MAX];
    const uint8_t *tcp = bytes + ETHERNET_HEADER_BYTES + IPV4_HEADER_MIN_BYTES;

    assert_true(taken_tail - taken_head < CARD_FRAMES_MAX);
    taken_tail++;
    note->headers_bytes =
        ETHERNET_HEADER_BYTES + IPV4_HEADER_MIN_BYTES + (tcp[TCP_DATA_OFFSET_OFFSET] >> 4) * 4;
    assert_true(note->headers_bytes <= frame->length_bytes);
    memcpy(note->headers, bytes, note->headers_bytes);
    note->sequence = load_be32(tcp + TCP_SEQUENCE_OFFSET);
    note->acknowledgment = load_be32(tcp + TCP_ACKNOWLEDGMENT_OFFSET);
    note->window = load_be16(tcp + 14);
    note->tcp_flags = tcp[TCP_FLAGS_OFFSET];
    note->option_bytes = (tcp[TCP_DATA_OFFSET_OFFSET] >> 4) * 4 - TCP_HEADER_MIN_BYTES;
    note->segment_bytes = (frame->offload & FRAME_SEGMENT_TCP) != 0 ? frame->segment_bytes : 0;
    note->fragment_count = frame->fragment_count;
    note->length_bytes = frame->length_bytes - note->headers_bytes;
    memcpy(note->payload, bytes + note->headers_bytes, note->length_bytes);
}

static uint32_t gather(const struct frame_to_send *frame, uint8_t *to)
{
    uint32_t length = 0;

    assert_in_range(frame->fragment_count, 1, FRAME_FRAGMENT_MAX);
    for (unsigned i = 0; i < frame->fragment_count; i++) {
        assert_in_range(frame->fragments[i].length_bytes, 1, UINT16_MAX);
        memcpy(to + length, frame->fragments[i].data, frame->fragments[i].length_bytes);
        length += frame->fragments[i].length_bytes;
    }
    return length;
}

int link_server_transmit(const struct frame_to_send *frame)
{
    uint8_t *bytes = ring[ring_tail % CARD_FRAMES_MAX].bytes;

    if (card_error != 0) {
        return card_error;
    }
    if (card_room == 0) {
        return -EAGAIN;
    }
    assert_true(ring_tail - ring_head < CARD_FRAMES_MAX);
    card_room--;
    assert_int_equal(gather(frame, bytes), frame->length_bytes);
    check_headers(frame, bytes);
    note_frame(frame, bytes);
    ring[ring_tail % CARD_FRAMES_MAX].frame = *frame;
    ring_tail++;
    card_taken_count++;
    return 0;
}

bool link_server_can_segment_tcp(void)
{
    return card_can_cut;
}

void card_complete(unsigned count)
{
    static uint8_t bytes[sizeof(ring[0].bytes)];

    for (; count != 0 && ring_head != ring_tail; count--) {
        const struct frame_to_send *frame = &ring[ring_head % CARD_FRAMES_MAX].frame;

        assert_memory_equal(bytes, ring[ring_head % CARD_FRAMES_MAX].bytes, gather(frame, bytes));
        ring_head++;
        frame->done(frame->context);
    }
}

unsigned card_unread_count(void)
{
    return ring_tail - ring_head;
}

const struct card_frame *card_take(void)
{
    return taken_head == taken_tail ? NULL : &taken[taken_head++ % CARD_FRAMES_MAX];
}

const struct card_frame *card_expect(void)
{
    const struct card_frame *frame = card_take();

    assert_non_null(frame);
    return frame;
}

node_id_t card_link_server(void)
{
    return card_is_remote ? OTHER_NODE : 0;
}

uint16_t card_segment_max_bytes(void)
{
    return card_can_cut ? 65000 : 0;
}

/* --- Neighbours --- */

const uint8_t *interface_mac(void)
{
    return own_mac;
}

uint32_t interface_next_hop(uint32_t address)
{
    return (address & 0xFFFFFF) == (CARD_LOCAL_ADDRESS & 0xFFFFFF) ? address : CARD_GATEWAY_ADDRESS;
}

void interface_send_later(uint32_t next_hop, const uint8_t *packet, uint16_t length_bytes)
{
    card_asked_for = next_hop;
    assert_true(length_bytes <= sizeof(card_later));
    memcpy(card_later, packet, length_bytes);
    card_later_bytes = length_bytes;
    card_later_count++;
}

/* An address that tells which neighbour's it is. */
const uint8_t *neighbor_find(uint32_t address)
{
    static uint8_t header[NEIGHBOR_HEADER_BYTES];
    uint8_t mac[6] = {2, 0xFF};

    memcpy(mac + 2, &address, 4);
    neighbor_make_header(header, mac, own_mac);
    return card_knows_neighbors ? header : NULL;
}

const uint8_t *neighbor_find_at(uint32_t address, uint16_t *place)
{
    *place = 7;
    return neighbor_find(address);
}

/* There is a card, and everybody behind it. */
bool loopback_is_own(uint32_t address)
{
    (void)address;
    return false;
}

int loopback_send(const struct segment_fields *fields, const struct reference *first,
                  uint32_t offset)
{
    (void)fields;
    (void)first;
    (void)offset;
    assert_true(false);
    return 0;
}

void neighbor_ask(uint32_t address)
{
    card_asked_for = address;
}

/* --- The receive half --- */

uint16_t receiver_window(const struct tcb *tcb)
{
    (void)tcb;
    return card_window;
}

void receiver_note_ack_sent(struct tcb *tcb, uint16_t window)
{
    (void)window;
    tcb->ack_due = ACK_NONE;
    card_acks_noted++;
}

unsigned receiver_put_sack(const struct tcb *tcb, uint8_t *option)
{
    (void)tcb;
    for (unsigned i = 0; i < card_sack_bytes; i++) {
        option[i] = (uint8_t)(0xC0 + i);
    }
    return card_sack_bytes;
}
