/* SPDX-License-Identifier: MIT */
/* sources: tests/unit/world/fake_client.c */
/* library: lwip */
/*
 * Tests net/transport/packet.c over the real lwIP: what of IP reaches TCP, UDP and ICMP, and what
 * is refused. What was wrong before stands with each test.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/nic/counters.h"
#include "drivers/nic/frame.h"
#include "net/counters.h"
#include "net/headers.h"
#include "tests/unit/world/fake_client.h"
#include "tests/unit/world/fake_platform.h"

#define ETHERNET 14
#define IP       20
#define TCP      20

static const uint16_t good = FRAME_IP_CHECKSUM_GOOD | FRAME_L4_CHECKSUM_GOOD;

static void put16(uint8_t *bytes, unsigned value)
{
    bytes[0] = (uint8_t)(value >> 8);
    bytes[1] = (uint8_t)value;
}

/* What the client would send next, as a frame. Returns its length. */
static size_t build_data(uint8_t *frame, const struct client *client, const char *data)
{
    struct segment segment = {
        .client_port = client->port,
        .flags = WIRE_ACK | WIRE_PSH,
        .sequence = client->send_next,
        .acknowledgement = client->receive_next,
        .window = 65535,
        .payload = (const uint8_t *)data,
        .length = (uint32_t)strlen(data),
    };

    return wire_build(frame, &segment);
}

static void expect_data(const char *data)
{
    const struct data *message = fake_expect_message(NODE_APPLICATION, DATA);
    struct message_payload payload = fake_payload(message, sizeof(*message));

    assert_int_equal(payload.length_bytes, strlen(data));
    assert_memory_equal(payload.bytes, data, payload.length_bytes);
}

static void receive(const uint8_t *frame, size_t length, uint16_t flags)
{
    wire_receive_frame(frame, length, flags);
    wire_run();
}

/* --- Options of IP --- */

/* Put these behind the IP header; a multiple of four. */
static size_t insert_options(uint8_t *frame, size_t length, const uint8_t *options, size_t bytes)
{
    memmove(frame + ETHERNET + IP + bytes, frame + ETHERNET + IP, length - ETHERNET - IP);
    memcpy(frame + ETHERNET + IP, options, bytes);
    frame[ETHERNET] = (uint8_t)(0x40 | (IP + bytes) / 4);
    put16(frame + ETHERNET + 2, (unsigned)(length - ETHERNET + bytes));
    wire_seal(frame);
    return length + bytes;
}

/* All were dropped as malformed (RFC 1122 3.2.1.8). */
static void options_are_skipped_whether_or_not_the_nic_has_checked(void **state)
{
    static const uint8_t options[][8] = {
        {7, 7, 4, 0, 0, 0, 0, 0},             /* record route */
        {1, 1, 1, 1, 1, 1, 1, 1},             /* no operation */
        {0x94, 4, 0, 0, 0, 0xFF, 0xFF, 0xFF}, /* router alert, and nothing after the end */
        {0xDE, 8, 1, 2, 3, 4, 5, 6},          /* unknown */
    };
    uint64_t malformed = wire_counted(COUNTER_DROP_MALFORMED);
    struct client client;

    (void)state;
    (void)wire_accept(&client, wire_new_port());
    for (unsigned i = 0; i < 2 * ARRAY_COUNT(options); i++) {
        uint8_t frame[FRAME_MAX_BYTES];
        size_t length = build_data(frame, &client, "with options");

        length = insert_options(frame, length, options[i / 2], 8);
        receive(frame, length, i % 2 == 0 ? good : 0);
        client.send_next += 12;
        expect_data("with options");
    }
    assert_int_equal(wire_counted(COUNTER_DROP_MALFORMED), malformed);
    wire_finish(&client);
}

static void assert_options_refused(const uint8_t *options, size_t bytes, unsigned counter)
{
    uint64_t before = wire_counted(counter);
    uint8_t frame[FRAME_MAX_BYTES];
    struct client client;
    size_t length;

    (void)wire_accept(&client, wire_new_port());
    length = insert_options(frame, build_data(frame, &client, "refused"), options, bytes);
    receive(frame, length, good);
    fake_expect_no_message(NODE_APPLICATION);
    assert_int_equal(wire_counted(counter), before + 1);
    wire_finish(&client);
}

static void source_routes_are_refused(void **state)
{
    (void)state;
    assert_options_refused((const uint8_t[]){131, 7, 4, 192, 168, 1, 9, 0}, 8,
                           COUNTER_DROP_PROTOCOL);
    assert_options_refused((const uint8_t[]){1, 137, 7, 8, 192, 168, 1, 9}, 8,
                           COUNTER_DROP_PROTOCOL);
}

static void options_that_do_not_end_where_the_header_does_are_malformed(void **state)
{
    (void)state;
    assert_options_refused((const uint8_t[]){7, 0, 4, 0}, 4, COUNTER_DROP_MALFORMED);
    assert_options_refused((const uint8_t[]){7, 1, 4, 0}, 4, COUNTER_DROP_MALFORMED);
    assert_options_refused((const uint8_t[]){7, 5, 4, 0}, 4, COUNTER_DROP_MALFORMED);
    assert_options_refused((const uint8_t[]){1, 1, 1, 7}, 4, COUNTER_DROP_MALFORMED);
}

static void headers_with_options_are_checked_like_others(void **state)
{
    uint64_t checksum = wire_counted(COUNTER_DROP_CHECKSUM);
    uint64_t truncated = wire_counted(COUNTER_DROP_TRUNCATED);
    uint64_t malformed = wire_counted(COUNTER_DROP_MALFORMED);
    struct client client = {.port = wire_new_port()};
    uint8_t frame[FRAME_MAX_BYTES];
    size_t length = build_data(frame, &client, "");

    (void)state;
    length = insert_options(frame, length, (const uint8_t[]){1, 1, 1, 1}, 4);
    frame[ETHERNET + 10] ^= 1;
    receive(frame, length, 0);
    assert_int_equal(wire_counted(COUNTER_DROP_CHECKSUM), checksum + 1);
    wire_seal(frame);
    receive(frame, ETHERNET + 23, 0); /* the header's end is missing */
    frame[ETHERNET + 3] = 23;         /* and said to be */
    receive(frame, length, good);
    assert_int_equal(wire_counted(COUNTER_DROP_TRUNCATED), truncated + 2);
    frame[ETHERNET] = 0x44;
    receive(frame, length, good);
    frame[ETHERNET] = 0x65;
    receive(frame, length, good);
    assert_int_equal(wire_counted(COUNTER_DROP_MALFORMED), malformed + 2);
    wire_expect_silence();
}

/* --- Addresses --- */

static void receive_from_to(uint32_t source, uint32_t destination, uint8_t protocol, uint16_t flags)
{
    struct client client = {.port = wire_new_port()};
    uint8_t frame[FRAME_MAX_BYTES];
    size_t length = build_data(frame, &client, "martian");

    if (protocol == 1) {
        memset(frame + ETHERNET + IP, 0, length - ETHERNET - IP);
        frame[ETHERNET + IP] = 8;
    }
    frame[ETHERNET + 9] = protocol;
    memcpy(frame + ETHERNET + 12, &source, 4);
    memcpy(frame + ETHERNET + 16, &destination, 4);
    wire_seal(frame);
    receive(frame, length, flags);
}

/* RFC 1122 3.2.1.3. A reset or an echo went to each, 127.0.0.1 was taken for us. */
static void martians_are_refused_and_counted(void **state)
{
    static const uint8_t sources[][4] = {
        {0, 0, 0, 0},   {0, 1, 2, 3},   {127, 0, 0, 1},       {127, 9, 9, 9},     {224, 0, 0, 1},
        {239, 1, 2, 3}, {240, 0, 0, 1}, {255, 255, 255, 255}, {192, 168, 1, 255}, {192, 168, 1, 15},
    };
    static const uint8_t destinations[][4] = {
        {127, 0, 0, 1}, {127, 1, 2, 3}, {0, 0, 0, 0}, {240, 1, 1, 1}};
    static const uint8_t protocols[] = {1, 6};
    uint64_t before = wire_counted(COUNTER_DROP_PROTOCOL);
    uint64_t count = 0;
    uint32_t address;

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        for (unsigned j = 0; j < ARRAY_COUNT(sources); j++) {
            memcpy(&address, sources[j], 4);
            receive_from_to(address, WIRE_OWN_ADDRESS, protocols[i % 2], i / 2 == 0 ? good : 0);
            count++;
        }
        for (unsigned j = 0; j < ARRAY_COUNT(destinations); j++) {
            memcpy(&address, destinations[j], 4);
            receive_from_to(WIRE_CLIENT_ADDRESS, address, protocols[i % 2], i / 2 == 0 ? good : 0);
            count++;
        }
    }
    assert_int_equal(wire_counted(COUNTER_DROP_PROTOCOL), before + count);
    wire_expect_silence();
}

/* A segment for everybody has no answer (RFC 9293 3.9.2.3), and was not counted. */
static void segments_for_many_are_refused_and_counted(void **state)
{
    uint64_t before = wire_counted(COUNTER_DROP_PROTOCOL);

    (void)state;
    receive_from_to(WIRE_CLIENT_ADDRESS, 0xFFFFFFFF, 6, good);
    receive_from_to(WIRE_CLIENT_ADDRESS, 0xFF01A8C0, 6, good);
    receive_from_to(WIRE_CLIENT_ADDRESS, 0x010000E0, 6, good);
    assert_int_equal(wire_counted(COUNTER_DROP_PROTOCOL), before + 3);
    wire_expect_silence();
}

/* Also when only the frame is for a group or for all (RFC 9293 3.9.2.3). */
static void segments_in_frames_for_many_are_refused_and_counted(void **state)
{
    static const uint8_t macs[][6] = {{0x01, 0, 0x5E, 0, 0, 1}, {255, 255, 255, 255, 255, 255}};
    uint64_t before = wire_counted(COUNTER_DROP_PROTOCOL);
    struct client client;

    (void)state;
    (void)wire_accept(&client, wire_new_port());
    for (unsigned i = 0; i < ARRAY_COUNT(macs); i++) {
        uint8_t frame[FRAME_MAX_BYTES];
        size_t length = build_data(frame, &client, "for many");

        memcpy(frame, macs[i], 6);
        receive(frame, length, good);
    }
    assert_int_equal(wire_counted(COUNTER_DROP_PROTOCOL), before + ARRAY_COUNT(macs));
    fake_expect_no_message(NODE_APPLICATION);
    wire_expect_silence();
    wire_finish(&client);
}

/* --- Fragments --- */

/* A piece of the packet in `whole`, `offset` bytes behind its IP header. */
static void receive_fragment(const uint8_t *whole, unsigned offset, unsigned bytes, bool is_last)
{
    uint8_t frame[FRAME_MAX_BYTES];
    unsigned header_bytes = (whole[ETHERNET] & 0x0F) * 4u;

    memcpy(frame, whole, ETHERNET + header_bytes);
    memcpy(frame + ETHERNET + header_bytes, whole + ETHERNET + header_bytes + offset, bytes);
    put16(frame + ETHERNET + 2, header_bytes + bytes);
    put16(frame + ETHERNET + 6, (is_last ? 0 : 0x2000) | offset / 8);
    receive(frame, ETHERNET + header_bytes + bytes, FRAME_IP_CHECKSUM_GOOD);
}

/* With less than TCP's header in it the first fragment, and so the segment, was dropped. */
static void fragments_may_be_shorter_than_a_header(void **state)
{
    static const char data[] = "eight bytes at a time, which is the least that RFC 791 allows";
    struct client client;
    uint8_t frame[FRAME_MAX_BYTES];
    unsigned bytes;

    (void)state;
    (void)wire_accept(&client, wire_new_port());
    bytes = (unsigned)build_data(frame, &client, data) - ETHERNET - IP;
    for (unsigned at = 0; at < bytes; at += 8) {
        receive_fragment(frame, at, bytes - at < 8 ? bytes - at : 8, at + 8 >= bytes);
    }
    client.send_next += sizeof(data) - 1;
    expect_data(data);
    wire_finish(&client);
}

/* So were fragments with options, by lwIP. */
static void fragments_may_have_options(void **state)
{
    static const char data[] = "an option in each fragment, as copied ones are";
    struct client client;
    uint8_t frame[FRAME_MAX_BYTES];
    size_t length;
    unsigned bytes;

    (void)state;
    (void)wire_accept(&client, wire_new_port());
    length = build_data(frame, &client, data);
    bytes = (unsigned)length - ETHERNET - IP;
    (void)insert_options(frame, length, (const uint8_t[]){0x94, 4, 0, 0}, 4);
    receive_fragment(frame, 32, bytes - 32, true);
    receive_fragment(frame, 0, 32, false);
    client.send_next += sizeof(data) - 1;
    expect_data(data);
    wire_finish(&client);
}

/* Data of a kilobyte and more, with a first fragment that holds a part of the header. */
static void a_long_segment_in_fragments_comes_whole(void **state)
{
    struct client client;
    uint8_t frame[FRAME_MAX_BYTES];
    char data[1201];
    unsigned bytes, received = 0;
    const struct message *message;

    (void)state;
    for (unsigned i = 0; i < sizeof(data) - 1; i++) {
        data[i] = (char)('a' + i % 26);
    }
    data[sizeof(data) - 1] = '\0';
    (void)wire_accept(&client, wire_new_port());
    bytes = (unsigned)build_data(frame, &client, data) - ETHERNET - IP;
    receive_fragment(frame, 0, 16, false);
    receive_fragment(frame, 16, 400, false);
    receive_fragment(frame, 416, bytes - 416, true);
    while ((message = fake_take_message(NODE_APPLICATION)) != NULL) {
        struct message_payload payload = fake_payload(message, sizeof(struct data));

        assert_true(payload.length_bytes > 0);
        assert_memory_equal(payload.bytes, data + received, payload.length_bytes);
        received += (unsigned)payload.length_bytes;
    }
    assert_int_equal(received, sizeof(data) - 1);
    client.send_next += received;
    wire_finish(&client);
}

static void a_syn_in_fragments_begins_a_handshake(void **state)
{
    struct client client = {.port = wire_new_port(), .send_next = 1000};
    struct segment syn = {.client_port = client.port, .flags = WIRE_SYN, .window = 65535};
    uint8_t frame[FRAME_MAX_BYTES];

    (void)state;
    (void)wire_build(frame, &syn);
    receive_fragment(frame, 0, 8, false);
    receive_fragment(frame, 8, 16, true);
    assert_int_equal(wire_expect(&client).flags, WIRE_SYN | WIRE_ACK);
    client.send_next = 1; /* behind the SYN */
    wire_send(&client, WIRE_RST, NULL, 0);
}

/* --- TCP --- */

/* A TIME_WAIT entry was freed, and a flow passed on, by a segment with a wrong checksum. */
static void nothing_is_done_for_a_segment_that_may_be_damaged(void **state)
{
    uint64_t checksum = wire_counted(COUNTER_DROP_CHECKSUM);
    uint64_t truncated = wire_counted(COUNTER_DROP_TRUNCATED);
    struct client client;
    uint8_t frame[FRAME_MAX_BYTES];
    size_t length;

    (void)state;
    (void)wire_accept(&client, wire_new_port());
    wire_application_close(&client, 0, CLOSE_BOTH);
    wire_run();
    client.receive_next = wire_expect(&client).sequence + 1;
    wire_send(&client, WIRE_ACK | WIRE_FIN, NULL, 0);
    wire_run();
    client.send_next++;
    assert_int_equal(wire_expect(&client).flags, WIRE_ACK); /* and now in TIME_WAIT */

    client.send_next -= 1; /* a FIN once more, which would be answered */
    length = build_data(frame, &client, "");
    frame[ETHERNET + IP + 13] = WIRE_ACK | WIRE_FIN;
    receive(frame, length, FRAME_IP_CHECKSUM_GOOD); /* the checksum is that of other flags */
    wire_expect_silence();
    assert_int_equal(wire_counted(COUNTER_DROP_CHECKSUM), checksum + 1);
    wire_seal(frame);
    frame[ETHERNET + IP + 12] = 4 << 4; /* a header shorter than a header */
    receive(frame, length, good);
    wire_expect_silence();
    assert_int_equal(wire_counted(COUNTER_DROP_TRUNCATED), truncated + 1);
    frame[ETHERNET + IP + 12] = 5 << 4;
    receive(frame, length, FRAME_IP_CHECKSUM_GOOD);
    assert_int_equal(wire_expect(&client).flags, WIRE_ACK);
}

/* But for the window: nothing that the peer might send is wanted. */
static void answers_from_time_wait_repeat_the_last_acknowledgement(void **state)
{
    struct client client;
    struct segment last, answer;

    (void)state;
    (void)wire_accept(&client, wire_new_port());
    wire_application_close(&client, 0, CLOSE_BOTH);
    wire_run();
    client.receive_next = wire_expect(&client).sequence + 1;
    wire_send(&client, WIRE_ACK | WIRE_FIN, NULL, 0);
    wire_run();
    last = wire_expect(&client);
    wire_send(&client, WIRE_ACK | WIRE_FIN, NULL, 0);
    wire_run();
    answer = wire_expect(&client);
    assert_int_equal(answer.flags, WIRE_ACK);
    assert_int_equal(answer.sequence, last.sequence);
    assert_int_equal(answer.acknowledgement, last.acknowledgement);
}

/* It opened a connection. */
static void flags_that_cannot_go_together_open_nothing(void **state)
{
    static const uint8_t flags[] = {WIRE_SYN | WIRE_FIN, WIRE_SYN | WIRE_RST,
                                    WIRE_SYN | WIRE_FIN | WIRE_PSH, 0x3F};
    uint64_t before = wire_counted(COUNTER_DROP_PROTOCOL);
    unsigned connections = wire_connection_count();

    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(flags); i++) {
        struct segment segment = {
            .client_port = wire_new_port(), .flags = flags[i], .window = 65535};
        uint8_t frame[FRAME_MAX_BYTES];
        size_t length = wire_build(frame, &segment);

        receive(frame, length, good);
    }
    wire_expect_silence();
    fake_expect_no_message(NODE_CM);
    assert_int_equal(wire_counted(COUNTER_DROP_PROTOCOL), before + ARRAY_COUNT(flags));
    assert_int_equal(wire_connection_count(), connections);
}

/* --- UDP and ICMP --- */

/* A frame of UDP to this port, with `said` in its length field and eight bytes of data. */
static size_t build_udp(uint8_t *frame, unsigned port, unsigned said)
{
    struct segment segment = {.client_port = 4000};

    (void)wire_build(frame, &segment);
    memset(frame + ETHERNET + IP, 0, 16);
    frame[ETHERNET + 9] = 17;
    put16(frame + ETHERNET + 2, IP + 16);
    put16(frame + ETHERNET + IP, 4000);
    put16(frame + ETHERNET + IP + 2, port);
    put16(frame + ETHERNET + IP + 4, said);
    wire_seal(frame);
    return ETHERNET + IP + 16;
}

/* "Port unreachable" answered them. */
static void datagrams_of_a_wrong_length_have_no_answer(void **state)
{
    static const unsigned lengths[] = {0, 7, 17, 65535};
    uint64_t before = wire_counted(COUNTER_DROP_MALFORMED);
    uint8_t frame[FRAME_MAX_BYTES];

    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(lengths); i++) {
        receive(frame, build_udp(frame, 9, lengths[i]), good);
    }
    wire_expect_silence();
    assert_int_equal(wire_counted(COUNTER_DROP_MALFORMED), before + ARRAY_COUNT(lengths));
}

/* Neither the one to us nor the one to all was counted. */
static void datagrams_to_a_port_that_nobody_has_are_counted(void **state)
{
    uint64_t protocol = wire_counted(COUNTER_DROP_PROTOCOL);
    uint64_t not_ours = wire_counted(COUNTER_DROP_NOT_OURS);
    uint8_t frame[FRAME_MAX_BYTES];
    const uint8_t *answer;
    size_t length = build_udp(frame, 9, 16);

    (void)state;
    receive(frame, length, good);
    assert_true(wire_take_other(&answer, &length));
    assert_int_equal(answer[ETHERNET + IP], 3); /* unreachable: the port */
    assert_int_equal(answer[ETHERNET + IP + 1], 3);
    assert_int_equal(wire_counted(COUNTER_DROP_PROTOCOL), protocol + 1);

    length = build_udp(frame, 9, 16);
    memset(frame + ETHERNET + 16, 255, 4);
    wire_seal(frame);
    receive(frame, length, good);
    wire_expect_silence();
    assert_int_equal(wire_counted(COUNTER_DROP_NOT_OURS), not_ours + 1);
}

static size_t build_icmp(uint8_t *frame, uint8_t type, unsigned bytes)
{
    struct segment segment = {.client_port = 4000};

    (void)wire_build(frame, &segment);
    memset(frame + ETHERNET + IP, 0, bytes);
    frame[ETHERNET + 9] = 1;
    put16(frame + ETHERNET + 2, IP + bytes);
    frame[ETHERNET + IP] = type;
    wire_seal(frame);
    return ETHERNET + IP + bytes;
}

/* None of them was counted. */
static void messages_of_icmp_that_nobody_understands_are_counted(void **state)
{
    uint64_t protocol = wire_counted(COUNTER_DROP_PROTOCOL);
    uint64_t truncated = wire_counted(COUNTER_DROP_TRUNCATED);
    uint64_t checksum = wire_counted(COUNTER_DROP_CHECKSUM);
    uint8_t frame[FRAME_MAX_BYTES];
    size_t length;

    (void)state;
    receive(frame, build_icmp(frame, 13, 20), good);
    receive(frame, build_icmp(frame, 0, 20), good);
    length = build_icmp(frame, 8, 20);
    memset(frame + ETHERNET + 16, 255, 4); /* an echo of all */
    wire_seal(frame);
    receive(frame, length, good);
    assert_int_equal(wire_counted(COUNTER_DROP_PROTOCOL), protocol + 3);
    receive(frame, build_icmp(frame, 8, 7), good);
    assert_int_equal(wire_counted(COUNTER_DROP_TRUNCATED), truncated + 1);
    length = build_icmp(frame, 8, 20);
    frame[ETHERNET + IP + 2] ^= 1;
    receive(frame, length, good);
    assert_int_equal(wire_counted(COUNTER_DROP_CHECKSUM), checksum + 1);
    wire_expect_silence();
}

static void an_echo_request_is_answered(void **state)
{
    uint8_t frame[FRAME_MAX_BYTES];
    const uint8_t *answer;
    size_t length;

    (void)state;
    receive(frame, build_icmp(frame, 8, 40), 0);
    assert_true(wire_take_other(&answer, &length));
    assert_int_equal(length, ETHERNET + IP + 40);
    assert_int_equal(answer[ETHERNET + IP], 0);
}

#define TEST(name) cmocka_unit_test_teardown(name, wire_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(options_are_skipped_whether_or_not_the_nic_has_checked),
        TEST(source_routes_are_refused),
        TEST(options_that_do_not_end_where_the_header_does_are_malformed),
        TEST(headers_with_options_are_checked_like_others),
        TEST(martians_are_refused_and_counted),
        TEST(segments_for_many_are_refused_and_counted),
        TEST(segments_in_frames_for_many_are_refused_and_counted),
        TEST(fragments_may_be_shorter_than_a_header),
        TEST(fragments_may_have_options),
        TEST(a_long_segment_in_fragments_comes_whole),
        TEST(a_syn_in_fragments_begins_a_handshake),
        TEST(nothing_is_done_for_a_segment_that_may_be_damaged),
        TEST(answers_from_time_wait_repeat_the_last_acknowledgement),
        TEST(flags_that_cannot_go_together_open_nothing),
        TEST(datagrams_of_a_wrong_length_have_no_answer),
        TEST(datagrams_to_a_port_that_nobody_has_are_counted),
        TEST(messages_of_icmp_that_nobody_understands_are_counted),
        TEST(an_echo_request_is_answered),
    };

    return cmocka_run_group_tests(tests, wire_set_up, NULL);
}
