/* SPDX-License-Identifier: MIT */
/* sources: drivers/nic/checksum.c */
/* sources: kernel/message/channel.c kernel/message/status.c tests/unit/world/fake_platform.c tests/unit/world/fake_memory.c */
/*
 * Tests drivers/nic/checksum.c: what it inserts is what a receiver checks, which sums a packet up
 * byte by byte here (RFC 1071).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "drivers/nic/checksum.h"

#define ETHERNET 14
#define IP       20

static uint8_t headers[ETHERNET + 60 + 20];

/* The sum that is 0xFFFF over a packet that is well. */
static uint32_t sum_of(uint32_t sum, const uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        sum += i % 2 == 0 ? (uint32_t)bytes[i] << 8 : bytes[i];
    }
    while (sum >> 16 != 0) {
        sum = (sum & 0xFFFF) + (sum >> 16);
    }
    return sum;
}

static uint32_t pseudo_sum(const uint8_t *ip, size_t l4_bytes)
{
    return sum_of((uint32_t)(ip[9] + l4_bytes), ip + 12, 8);
}

static void put_be16(uint8_t *bytes, uint32_t value)
{
    bytes[0] = (uint8_t)(value >> 8);
    bytes[1] = (uint8_t)value;
}

/* The headers of a packet with so much data, as lwIP leaves them. */
static void build(size_t ip_bytes, uint8_t protocol, size_t l4_header_bytes, size_t data_bytes)
{
    uint8_t *ip = headers + ETHERNET;
    uint8_t *l4 = ip + ip_bytes;
    size_t l4_bytes = l4_header_bytes + data_bytes;

    for (unsigned i = 0; i < sizeof(headers); i++) {
        headers[i] = (uint8_t)(i * 37 + 11);
    }
    ip[0] = (uint8_t)(0x40 | ip_bytes / 4);
    ip[9] = protocol;
    put_be16(ip + 2, (uint32_t)(ip_bytes + l4_bytes));
    put_be16(l4 + (protocol == 6 ? 16 : 6), pseudo_sum(ip, l4_bytes));
}

/* Cut into so many pieces behind the headers, of lengths that are odd and even in turns. */
static struct frame_to_send frame_of(size_t header_bytes, const uint8_t *data, size_t data_bytes)
{
    struct frame_to_send frame = {.fragments = {{headers, (uint32_t)header_bytes}},
                                  .fragment_count = 1,
                                  .length_bytes = (uint16_t)(header_bytes + data_bytes)};

    for (uint32_t piece = 1; data_bytes > 0; piece += 6) {
        if (piece > data_bytes) {
            piece = (uint32_t)data_bytes;
        }
        frame.fragments[frame.fragment_count++] = (struct frame_fragment){data, piece};
        data += piece;
        data_bytes -= piece;
    }
    return frame;
}

static uint8_t whole[1500];

static size_t gather(const struct frame_to_send *frame)
{
    size_t length = 0;

    for (unsigned i = 0; i < frame->fragment_count; i++) {
        memcpy(whole + length, frame->fragments[i].data, frame->fragments[i].length_bytes);
        length += frame->fragments[i].length_bytes;
    }
    return length;
}

static void assert_good(size_t ip_bytes, uint8_t protocol, size_t data_bytes)
{
    static uint8_t data[256];
    size_t l4_header_bytes = protocol == 6 ? 20 : 8;
    struct frame_to_send frame;
    const uint8_t *ip = whole + ETHERNET;
    size_t l4_bytes;

    for (unsigned i = 0; i < sizeof(data); i++) {
        data[i] = (uint8_t)(255 - i * 13);
    }
    build(ip_bytes, protocol, l4_header_bytes, data_bytes);
    frame = frame_of(ETHERNET + ip_bytes + l4_header_bytes, data, data_bytes);
    frame.offload = FRAME_INSERT_IP_CHECKSUM |
                    (protocol == 6 ? FRAME_INSERT_TCP_CHECKSUM : FRAME_INSERT_UDP_CHECKSUM);
    frame.ip_header_offset = ETHERNET;
    frame.ip_header_bytes = (uint8_t)ip_bytes;
    frame_insert_checksums(&frame, frame.offload);

    l4_bytes = gather(&frame) - ETHERNET - ip_bytes;
    assert_int_equal(sum_of(0, ip, ip_bytes), 0xFFFF);
    assert_int_equal(sum_of(pseudo_sum(ip, l4_bytes), ip + ip_bytes, l4_bytes), 0xFFFF);
}

static void checksums_are_right_over_fragments_of_any_length(void **state)
{
    (void)state;
    for (size_t data_bytes = 0; data_bytes <= 120; data_bytes++) {
        assert_good(IP, 6, data_bytes);
        assert_good(IP, 17, data_bytes);
        assert_good(60, 6, data_bytes); /* with options */
    }
}

static void only_what_the_frame_asks_for_is_inserted(void **state)
{
    struct frame_to_send frame;
    uint8_t before[sizeof(headers)];

    (void)state;
    build(IP, 6, 20, 0);
    memcpy(before, headers, sizeof(headers));
    frame = frame_of(ETHERNET + IP + 20, NULL, 0);
    frame.ip_header_offset = ETHERNET;
    frame.ip_header_bytes = IP;
    frame_insert_checksums(&frame, FRAME_INSERT_IP_CHECKSUM | FRAME_INSERT_TCP_CHECKSUM);
    assert_memory_equal(headers, before, sizeof(headers));

    frame.offload = FRAME_INSERT_IP_CHECKSUM | FRAME_INSERT_TCP_CHECKSUM;
    frame_insert_checksums(&frame, FRAME_INSERT_IP_CHECKSUM);
    assert_memory_equal(headers + ETHERNET + IP, before + ETHERNET + IP, 20);
    assert_int_equal(sum_of(0, headers + ETHERNET, IP), 0xFFFF);
}

/* RFC 768: 0 means that there is none. */
static void a_udp_checksum_of_zero_is_written_as_all_ones(void **state)
{
    uint8_t *udp = headers + ETHERNET + IP;
    struct frame_to_send frame;

    (void)state;
    build(IP, 17, 8, 0);
    put_be16(udp + 0, 0);
    put_be16(udp + 2, 0);
    put_be16(udp + 4, 8);
    put_be16(udp + 0, 0xFFFF - sum_of(0, udp, 8)); /* now all sums up to all ones */
    frame = frame_of(ETHERNET + IP + 8, NULL, 0);
    frame.offload = FRAME_INSERT_UDP_CHECKSUM;
    frame.ip_header_offset = ETHERNET;
    frame.ip_header_bytes = IP;
    frame_insert_checksums(&frame, FRAME_INSERT_UDP_CHECKSUM);
    assert_int_equal(udp[6] << 8 | udp[7], 0xFFFF);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(checksums_are_right_over_fragments_of_any_length),
        cmocka_unit_test(only_what_the_frame_asks_for_is_inserted),
        cmocka_unit_test(a_udp_checksum_of_zero_is_written_as_all_ones),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
