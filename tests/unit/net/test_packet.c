/* SPDX-License-Identifier: MIT */
/* sources: net/packet.c tests/unit/world/panic.c */
/*
 * Tests net/packet.c: against a parser that reads one field after the other, bit by bit, and is
 * slow.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "net/packet.h"

#define FIN         0x01
#define SYN         0x02
#define RST         0x04
#define ACK         0x10
#define IP          14
#define TCP         34
#define FRAME_BYTES 200

struct test_frame {
    uint8_t bytes[FRAME_BYTES];
    unsigned length_bytes;
};

static struct test_frame tcp_frame(uint8_t flags)
{
    struct test_frame frame = {.length_bytes = TCP + 20};

    for (unsigned i = 0; i < FRAME_BYTES; i++) {
        frame.bytes[i] = (uint8_t)(i * 37 + 11);
    }
    frame.bytes[12] = 0x08;
    frame.bytes[13] = 0x00;
    frame.bytes[IP] = 0x45;
    frame.bytes[IP + 2] = 0;
    frame.bytes[IP + 3] = 40;
    frame.bytes[IP + 6] = 0x40; /* do not fragment */
    frame.bytes[IP + 7] = 0;
    frame.bytes[IP + 9] = 6;
    frame.bytes[TCP + 12] = 5 << 4;
    frame.bytes[TCP + 13] = flags;
    return frame;
}

/* Of a copy of exactly that length, so that the address sanitizer sees a read beyond it. It stays
 * until the next call. */
static struct packet parse_part(const struct test_frame *frame, unsigned length_bytes)
{
    static uint8_t *copy;
    struct packet packet;

    free(copy);
    copy = malloc(length_bytes);
    assert_non_null(copy);
    memcpy(copy, frame->bytes, length_bytes);
    memset(&packet, 0xEE, sizeof(packet));
    packet_parse(&packet, copy, (uint16_t)length_bytes, 3);
    assert_ptr_equal(packet.bytes, copy);
    assert_int_equal(packet.length_bytes, length_bytes);
    assert_int_equal(packet.flags, 3);
    assert_int_equal(packet.merged_count, 0);
    return packet;
}

static struct packet parse(const struct test_frame *frame)
{
    return parse_part(frame, frame->length_bytes);
}

/* --- The slow one --- */

/* `count` bits from the frame's bit `first` on, bit 0 being the one that is sent first (RFC 791
 * appendix B). */
static uint64_t bits(const struct test_frame *frame, unsigned first, unsigned count)
{
    uint64_t value = 0;

    for (unsigned i = first; i < first + count; i++) {
        value = value << 1 | (frame->bytes[i / 8] >> (7 - i % 8) & 1);
    }
    return value;
}

/* From the RFCs' drawings: word and bit within it (RFC 791 3.1, RFC 9293 3.1). */
static uint64_t ip_field(const struct test_frame *frame, unsigned word, unsigned bit,
                         unsigned count)
{
    return bits(frame, 14 * 8 + word * 32 + bit, count);
}

static uint64_t tcp_field(const struct test_frame *frame, unsigned word, unsigned bit,
                          unsigned count)
{
    return bits(frame, (14 + 20) * 8 + word * 32 + bit, count);
}

static bool is_segment(const struct test_frame *frame)
{
    unsigned length_bytes = frame->length_bytes;

    if (length_bytes < 14 + 20 + 20 || bits(frame, 12 * 8, 16) != 0x0800) {
        return false;
    }
    if (ip_field(frame, 0, 0, 4) != 4 || ip_field(frame, 0, 4, 4) != 5) {
        return false; /* version; header length */
    }
    if (ip_field(frame, 2, 8, 8) != 6) {
        return false; /* protocol */
    }
    if (ip_field(frame, 1, 18, 1) != 0 || ip_field(frame, 1, 19, 13) != 0) {
        return false; /* more fragments; offset */
    }
    if (ip_field(frame, 0, 16, 16) > length_bytes - 14) {
        return false; /* total length */
    }
    return tcp_field(frame, 3, 0, 4) >= 5 &&
           ip_field(frame, 0, 16, 16) >= 20 + 4 * tcp_field(frame, 3, 0, 4);
}

static uint32_t swapped(uint64_t value)
{
    return __builtin_bswap32((uint32_t)value);
}

static void assert_says_the_same(const struct test_frame *frame)
{
    struct packet packet = parse(frame);
    bool is_syn;

    if (!is_segment(frame)) {
        assert_int_equal(packet.kind, PACKET_OTHER);
        return;
    }
    is_syn = tcp_field(frame, 3, 14, 1) == 1 && tcp_field(frame, 3, 11, 1) == 0 &&
             tcp_field(frame, 3, 13, 1) == 0 && tcp_field(frame, 3, 15, 1) == 0;
    assert_int_equal(packet.kind, is_syn ? PACKET_SYN : PACKET_SEGMENT);
    assert_int_equal(packet.flow.remote_address, swapped(ip_field(frame, 3, 0, 32)));
    assert_int_equal(packet.flow.local_address, swapped(ip_field(frame, 4, 0, 32)));
    assert_int_equal(packet.flow.remote_port, swapped(tcp_field(frame, 0, 0, 16) << 16));
    assert_int_equal(packet.flow.local_port, swapped(tcp_field(frame, 0, 16, 16) << 16));
    assert_int_equal(packet.sequence, tcp_field(frame, 1, 0, 32));
    assert_int_equal(packet.acknowledgment, tcp_field(frame, 2, 0, 32));
    assert_int_equal(packet.window, tcp_field(frame, 3, 16, 16));
    assert_int_equal(packet.tcp_flags, tcp_field(frame, 3, 8, 8));
    assert_int_equal(packet.option_bytes, 4 * tcp_field(frame, 3, 0, 4) - 20);
    assert_int_equal(packet.payload_offset, 14 + 20 + 4 * tcp_field(frame, 3, 0, 4));
    assert_int_equal(packet.payload_bytes,
                     ip_field(frame, 0, 16, 16) - 20 - 4 * tcp_field(frame, 3, 0, 4));
    assert_ptr_equal(packet_options(&packet), packet.bytes + 14 + 20 + 20);
    /* What the fields say lies in the frame. */
    assert_true(packet.payload_offset + packet.payload_bytes <= packet.length_bytes);
    assert_true(14 + 20 + 20u + packet.option_bytes == packet.payload_offset);
}

/* --- Against it --- */

static uint32_t random_state;

static uint32_t random_below(uint32_t limit)
{
    random_state = random_state * 1664525u + 1013904223u;
    return (uint32_t)((uint64_t)random_state * limit >> 32);
}

/* A segment in which some fields are others', of some other length: half of them are one still. */
static struct test_frame random_frame(void)
{
    static const uint8_t decisive[] = {12,     13,     IP,     IP + 2,  IP + 3,
                                       IP + 6, IP + 7, IP + 9, TCP + 12};
    struct test_frame frame = tcp_frame((uint8_t)random_below(256));
    unsigned words = 5 + random_below(8);

    frame.length_bytes = TCP + 20 + random_below(FRAME_BYTES - TCP - 20 + 1);
    for (unsigned i = TCP; i < FRAME_BYTES; i++) {
        if (i != TCP + 12) {
            frame.bytes[i] = (uint8_t)random_below(256);
        }
    }
    frame.bytes[TCP + 12] = (uint8_t)(words << 4 | random_below(16));
    frame.bytes[IP + 3] = (uint8_t)(40 + random_below(frame.length_bytes - TCP - 20 + 1));
    for (unsigned changes = random_below(4); changes > 1; changes--) {
        frame.bytes[decisive[random_below(ARRAY_COUNT(decisive))]] ^=
            (uint8_t)(1 << random_below(8));
    }
    if (random_below(8) == 0) {
        frame.length_bytes = 14 + random_below(frame.length_bytes - 14);
    }
    return frame;
}

static void random_frames_are_read_as_slowly_read(void **state)
{
    unsigned segments = 0;

    (void)state;
    random_state = 1;
    for (unsigned i = 0; i < 200000; i++) {
        struct test_frame frame = random_frame();

        assert_says_the_same(&frame);
        segments += is_segment(&frame);
    }
    assert_in_range(segments, 50000, 150000); /* both ways are tried */
}

/* And of each length, down to an Ethernet header alone. */
static void a_frame_cut_anywhere_is_none(void **state)
{
    struct test_frame frame = tcp_frame(SYN);
    unsigned whole_bytes = frame.length_bytes;

    (void)state;
    assert_int_equal(parse(&frame).kind, PACKET_SYN);
    for (unsigned length_bytes = 14; length_bytes < whole_bytes; length_bytes++) {
        frame.length_bytes = length_bytes;
        assert_says_the_same(&frame);
        assert_int_equal(parse(&frame).kind, PACKET_OTHER);
    }
}

/* Each of the bytes that decide, with every value, on a segment with data and options. */
static void every_value_of_a_decisive_byte_is_read_as_slowly_read(void **state)
{
    static const uint8_t decisive[] = {12,     13,     IP,     IP + 2,   IP + 3,
                                       IP + 6, IP + 7, IP + 9, TCP + 12, TCP + 13};

    (void)state;
    for (unsigned i = 0; i < ARRAY_COUNT(decisive); i++) {
        for (unsigned value = 0; value < 256; value++) {
            struct test_frame frame = tcp_frame(ACK);

            frame.length_bytes = TCP + 20 + 12 + 5;
            frame.bytes[IP + 3] = 40 + 12 + 5;
            frame.bytes[TCP + 12] = 8 << 4;
            frame.bytes[decisive[i]] = (uint8_t)value;
            assert_says_the_same(&frame);
        }
    }
}

/* Frames are padded to 60 bytes (IEEE 802.3 3.2.8). */
static void padding_behind_the_packet_is_no_payload(void **state)
{
    struct test_frame frame = tcp_frame(ACK);

    (void)state;
    frame.length_bytes = 60;
    assert_int_equal(parse(&frame).kind, PACKET_SEGMENT);
    assert_int_equal(parse(&frame).payload_bytes, 0);
}

static void a_packet_of_the_longest_length_is_read(void **state)
{
    static uint8_t bytes[UINT16_MAX];
    struct test_frame frame = tcp_frame(ACK);
    struct packet packet;

    (void)state;
    memcpy(bytes, frame.bytes, TCP + 20);
    bytes[IP + 2] = (UINT16_MAX - 14) >> 8;
    bytes[IP + 3] = (UINT16_MAX - 14) & 0xFF;
    packet_parse(&packet, bytes, UINT16_MAX, 0);
    assert_int_equal(packet.kind, PACKET_SEGMENT);
    assert_int_equal(packet.payload_bytes, UINT16_MAX - 14 - 40);
    bytes[IP + 3]++;
    packet_parse(&packet, bytes, UINT16_MAX, 0);
    assert_int_equal(packet.kind, PACKET_OTHER);
}

/* --- Acknowledgements --- */

static void only_an_ack_alone_is_bare(void **state)
{
    (void)state;
    for (unsigned flags = 0; flags < 256; flags++) {
        struct test_frame frame = tcp_frame((uint8_t)flags);
        struct packet packet = parse(&frame);

        assert_int_equal(packet_is_bare_ack(&packet), flags == ACK);
    }
}

static void ack_with_data_or_options_is_not_bare(void **state)
{
    struct test_frame frame = tcp_frame(ACK);
    struct packet packet;

    (void)state;
    frame.length_bytes++;
    frame.bytes[IP + 3]++; /* a byte of data */
    packet = parse(&frame);
    assert_false(packet_is_bare_ack(&packet));
    frame = tcp_frame(ACK);
    frame.length_bytes += 4;
    frame.bytes[IP + 3] += 4;
    frame.bytes[TCP + 12] = 6 << 4; /* an option of TCP */
    packet = parse(&frame);
    assert_false(packet_is_bare_ack(&packet));
    frame = tcp_frame(ACK);
    frame.bytes[IP + 9] = 17; /* no segment */
    packet = parse(&frame);
    assert_false(packet_is_bare_ack(&packet));
}

static struct packet ack_of(uint32_t acknowledgment)
{
    struct test_frame frame = tcp_frame(ACK);
    struct packet packet = parse(&frame);

    packet.acknowledgment = acknowledgment;
    return packet;
}

static bool supersedes(uint32_t later, uint32_t earlier)
{
    struct packet packets[] = {ack_of(later), ack_of(earlier)};

    return packet_supersedes(&packets[0], &packets[1]);
}

/* In the arithmetic of sequence numbers. The same number again is a duplicate, which TCP counts. */
static void only_an_ack_of_more_supersedes(void **state)
{
    (void)state;
    assert_true(supersedes(1001, 1000));
    assert_true(supersedes(1000u + INT32_MAX, 1000));
    assert_true(supersedes(5, UINT32_MAX - 5));
    assert_false(supersedes(1000, 1000));
    assert_false(supersedes(999, 1000));
    assert_false(supersedes(UINT32_MAX - 5, 5));
    assert_false(supersedes(1001u + INT32_MAX, 1000));
}

static void ack_supersedes_only_in_its_own_flow_with_nothing_sent_between(void **state)
{
    struct packet earlier = ack_of(1000);

    (void)state;
    for (unsigned field = 0; field < 5; field++) {
        struct packet later = ack_of(2000);

        later.flow.remote_address ^= field == 0;
        later.flow.local_address ^= field == 1;
        later.flow.remote_port ^= field == 2;
        later.flow.local_port ^= field == 3;
        later.sequence += field == 4;
        assert_false(packet_supersedes(&later, &earlier));
    }
}

/* The later one says how large it is. */
static void a_change_of_the_window_keeps_none_from_superseding(void **state)
{
    struct packet earlier = ack_of(1000), later = ack_of(2000);

    (void)state;
    later.window = (uint16_t)(earlier.window + 1);
    assert_true(packet_supersedes(&later, &earlier));
    later.window = 0;
    assert_true(packet_supersedes(&later, &earlier));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_frames_are_read_as_slowly_read),
        cmocka_unit_test(a_frame_cut_anywhere_is_none),
        cmocka_unit_test(every_value_of_a_decisive_byte_is_read_as_slowly_read),
        cmocka_unit_test(padding_behind_the_packet_is_no_payload),
        cmocka_unit_test(a_packet_of_the_longest_length_is_read),
        cmocka_unit_test(only_an_ack_alone_is_bare),
        cmocka_unit_test(ack_with_data_or_options_is_not_bare),
        cmocka_unit_test(only_an_ack_of_more_supersedes),
        cmocka_unit_test(ack_supersedes_only_in_its_own_flow_with_nothing_sent_between),
        cmocka_unit_test(a_change_of_the_window_keeps_none_from_superseding),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
