/* SPDX-License-Identifier: MIT */
/*
 * See forward_world.h.
 */
#include "tests/unit/world/forward_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/nic/frame.h"
#include "libc/core/bytes.h"
#include "net/headers.h"
#include "tests/unit/world/fake_client.h"
#include "tests/unit/world/fake_platform.h"

#define CLIENT_ISS  1000u
#define BACKEND_ISS 0xFFFFFF00u /* its numbers wrap soon */

/* --- Rules --- */

void forward_tell_raw(node_id_t from, const struct forward_rule *rule)
{
    struct forward_rule message = *rule;

    message.header = (struct message_header){.type = FORWARD_RULE, .length_bytes = sizeof(message)};
    fake_deliver(from, &message.header);
    wire_run();
}

void forward_tell(uint16_t port, enum forward_algorithm algorithm,
                  const struct forward_backend *backends, unsigned count)
{
    for (unsigned first = 0; first < count; first += FORWARD_RULE_BACKENDS) {
        unsigned some =
            count - first < FORWARD_RULE_BACKENDS ? count - first : FORWARD_RULE_BACKENDS;
        struct forward_rule rule = {
            .port = port,
            .algorithm = (uint8_t)algorithm,
            .flags = (first == 0 ? FORWARD_RULE_FIRST : 0) |
                     (first + some == count ? FORWARD_RULE_LAST : 0),
            .backend_count = (uint8_t)some,
        };

        memcpy(rule.backends, backends + first, some * sizeof(*backends));
        forward_tell_raw(NODE_APPLICATION, &rule);
    }
}

void forward_tell_usual(void)
{
    const struct forward_backend backend = {BACKEND_ADDRESS, BACKEND_PORT, 1};

    forward_tell(FORWARD_PORT, FORWARD_ROUND_ROBIN, &backend, 1);
}

/* --- Segments --- */

size_t host_build(uint8_t *frame, const struct host_segment *segment)
{
    const struct segment empty = {.client_port = 1};
    unsigned tcp_bytes = TCP_HEADER_MIN_BYTES + segment->option_bytes;
    uint8_t *ip = frame + ETHERNET_HEADER_BYTES;
    uint8_t *tcp = ip + IPV4_HEADER_MIN_BYTES;

    (void)wire_build(frame, &empty); /* Ethernet's header, and what else is always the same */
    memset(tcp, 0, TCP_HEADER_MIN_BYTES);
    ip[1] = segment->tos;
    store_be16(ip + IPV4_LENGTH_OFFSET,
               (uint16_t)(IPV4_HEADER_MIN_BYTES + tcp_bytes + segment->payload_bytes));
    store_be16(ip + 4, segment->identification);
    store_be16(ip + IPV4_FRAGMENT_OFFSET, segment->fragment);
    ip[8] = segment->ttl;
    memcpy(ip + IPV4_SOURCE_OFFSET, &segment->source, 4);
    memcpy(ip + IPV4_DESTINATION_OFFSET, &segment->destination, 4);
    store_be16(tcp, segment->source_port);
    store_be16(tcp + 2, segment->destination_port);
    store_be32(tcp + TCP_SEQUENCE_OFFSET, segment->sequence);
    store_be32(tcp + TCP_ACKNOWLEDGMENT_OFFSET, segment->acknowledgment);
    tcp[12] = (uint8_t)(tcp_bytes / 4 << 4);
    tcp[13] = segment->flags;
    store_be16(tcp + TCP_WINDOW_OFFSET, segment->window);
    store_be16(tcp + 18, segment->urgent);
    memcpy(tcp + TCP_HEADER_MIN_BYTES, segment->options, segment->option_bytes);
    memcpy(tcp + tcp_bytes, segment->payload, segment->payload_bytes);
    wire_seal(frame);
    return ETHERNET_HEADER_BYTES + IPV4_HEADER_MIN_BYTES + tcp_bytes + segment->payload_bytes;
}

/* The pseudo-header's sum (RFC 9293 3.1), not complemented, in place of the checksum. */
static void make_partial(uint8_t *frame)
{
    uint8_t *ip = frame + ETHERNET_HEADER_BYTES;
    uint32_t sum = load_be16(ip + IPV4_LENGTH_OFFSET) - IPV4_HEADER_MIN_BYTES + IPV4_PROTOCOL_TCP;

    for (unsigned i = 0; i < 8; i += 2) {
        sum += load_be16(ip + IPV4_SOURCE_OFFSET + i);
    }
    sum = (sum & 0xFFFF) + (sum >> 16);
    store_be16(ip + IPV4_HEADER_MIN_BYTES + TCP_CHECKSUM_OFFSET,
               (uint16_t)((sum & 0xFFFF) + (sum >> 16)));
}

void host_send(const struct host_segment *segment)
{
    uint16_t flags = FRAME_IP_CHECKSUM_GOOD | FRAME_L4_CHECKSUM_GOOD;
    uint8_t frame[FRAME_MAX_BYTES];
    size_t length = host_build(frame, segment);

    if (segment->is_checksum_partial) {
        make_partial(frame);
        flags |= FRAME_L4_CHECKSUM_PARTIAL;
    }
    wire_receive_frame(frame, length, flags);
    wire_run();
}

static struct host_segment parse(const uint8_t *frame, size_t length)
{
    const uint8_t *ip = frame + ETHERNET_HEADER_BYTES;
    const uint8_t *tcp = ip + IPV4_HEADER_MIN_BYTES;
    unsigned tcp_bytes = (tcp[12] >> 4) * 4u;
    struct host_segment segment = {
        .source_port = load_be16(tcp),
        .destination_port = load_be16(tcp + 2),
        .sequence = load_be32(tcp + TCP_SEQUENCE_OFFSET),
        .acknowledgment = load_be32(tcp + TCP_ACKNOWLEDGMENT_OFFSET),
        .window = load_be16(tcp + TCP_WINDOW_OFFSET),
        .urgent = load_be16(tcp + 18),
        .flags = tcp[13],
        .ttl = ip[8],
        .tos = ip[1],
        .identification = load_be16(ip + 4),
        .fragment = load_be16(ip + IPV4_FRAGMENT_OFFSET),
        .option_bytes = (uint8_t)(tcp_bytes - TCP_HEADER_MIN_BYTES),
        .payload_bytes =
            (uint16_t)(load_be16(ip + IPV4_LENGTH_OFFSET) - IPV4_HEADER_MIN_BYTES - tcp_bytes),
    };
    uint8_t sealed[FRAME_MAX_BYTES];
    bool is_left_to_card = load_be16(ip + IPV4_CHECKSUM_OFFSET) == 0;

    assert_int_equal(ip[0], 0x45);
    assert_int_equal(length, ETHERNET_HEADER_BYTES + load_be16(ip + IPV4_LENGTH_OFFSET));
    memcpy(&segment.source, ip + IPV4_SOURCE_OFFSET, 4);
    memcpy(&segment.destination, ip + IPV4_DESTINATION_OFFSET, 4);
    memcpy(segment.options, tcp + TCP_HEADER_MIN_BYTES, segment.option_bytes);
    memcpy(segment.payload, tcp + tcp_bytes, segment.payload_bytes);
    memcpy(sealed, frame, length);
    wire_seal(sealed);
    if (!is_left_to_card) { /* else the wire has looked */
        assert_memory_equal(sealed, frame, length);
    }
    return segment;
}

struct host_segment host_expect(void)
{
    const uint8_t *frame;
    size_t length;

    assert_true(wire_take_frame(true, &frame, &length));
    return parse(frame, length);
}

void host_expect_silence(void)
{
    wire_expect_silence();
}

const uint8_t *host_expect_other(size_t *length)
{
    const uint8_t *frame;

    assert_true(wire_take_other(&frame, length));
    return frame;
}

/* --- Connections --- */

/* Sent, it must come to the other side as it is, and from where that side's answers go. */
static void pass(struct forwarded *connection, bool is_client, const struct host_segment *sent)
{
    struct host_segment *others = is_client ? &connection->from_backend : &connection->from_client;
    struct host_segment came, wanted = *sent;

    host_send(sent);
    came = host_expect();
    wanted.source = others->destination;
    wanted.source_port = others->destination_port;
    wanted.destination = others->source;
    wanted.destination_port = others->source_port;
    wanted.ttl--;
    wanted.is_checksum_partial = false;
    memset(wanted.options + wanted.option_bytes, 0, sizeof(wanted.options) - wanted.option_bytes);
    assert_memory_equal(&came, &wanted, offsetof(struct host_segment, payload));
    assert_memory_equal(came.payload, wanted.payload, wanted.payload_bytes);
}

void forwarded_pass(struct forwarded *connection, bool is_client, uint8_t flags,
                    const void *payload, unsigned bytes)
{
    struct host_segment *own = is_client ? &connection->from_client : &connection->from_backend;
    struct host_segment *others = is_client ? &connection->from_backend : &connection->from_client;
    struct host_segment sent = *own;

    sent.flags = flags;
    sent.payload_bytes = (uint16_t)bytes;
    if (bytes != 0) {
        memcpy(sent.payload, payload, bytes);
    }
    pass(connection, is_client, &sent);
    own->sequence += bytes + ((flags & (WIRE_SYN | WIRE_FIN)) != 0);
    others->acknowledgment = own->sequence;
}

struct forwarded forwarded_begin(uint16_t client_port)
{
    struct forwarded connection = {
        .from_client = {.source = wire_client_address,
                        .destination = WIRE_OWN_ADDRESS,
                        .source_port = client_port,
                        .destination_port = FORWARD_PORT,
                        .sequence = CLIENT_ISS,
                        .window = 29200,
                        .ttl = 64,
                        .fragment = IPV4_DO_NOT_FRAGMENT},
    };
    struct host_segment syn = connection.from_client, came;

    syn.flags = WIRE_SYN;
    /* RFC 9293 3.7.1, RFC 7323, RFC 2018: MSS, SACK permitted, timestamps, window scale. */
    syn.option_bytes = 20;
    memcpy(syn.options, "\2\4\5\xB4\4\2\x8\xA\1\2\3\4\0\0\0\0\1\3\3\7", 20);
    host_send(&syn);
    came = host_expect();
    assert_int_equal(came.source, WIRE_OWN_ADDRESS);
    assert_int_equal(came.flags, WIRE_SYN);
    assert_int_equal(came.sequence, CLIENT_ISS);
    assert_int_equal(came.ttl, syn.ttl - 1);
    assert_int_equal(came.option_bytes, syn.option_bytes);
    assert_memory_equal(came.options, syn.options, syn.option_bytes);
    connection.from_client.sequence++;
    connection.from_backend = (struct host_segment){
        .source = came.destination,
        .destination = came.source,
        .source_port = came.destination_port,
        .destination_port = came.source_port,
        .sequence = BACKEND_ISS,
        .acknowledgment = CLIENT_ISS + 1,
        .window = 65160,
        .ttl = 63,
        .fragment = IPV4_DO_NOT_FRAGMENT,
    };
    return connection;
}

struct forwarded forwarded_open(uint16_t client_port)
{
    struct forwarded connection = forwarded_begin(client_port);

    forwarded_pass(&connection, false, WIRE_SYN | WIRE_ACK, NULL, 0);
    forwarded_pass(&connection, true, WIRE_ACK, NULL, 0);
    return connection;
}

void forwarded_finish(struct forwarded *connection)
{
    forwarded_pass(connection, true, WIRE_FIN | WIRE_ACK, NULL, 0);
    forwarded_pass(connection, false, WIRE_FIN | WIRE_ACK, NULL, 0);
    forwarded_pass(connection, true, WIRE_ACK, NULL, 0);
}
