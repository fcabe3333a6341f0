/* SPDX-License-Identifier: MIT */
/* sources: qemu/model/ixgbe82599_frame.c qemu/model/ixgbe82599_hash.c */
/*
 * The 82599 model's parser. Every frame lies in memory of exactly its size, so that the
 * address sanitizer sees a look beyond its end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "qemu/model/ixgbe82599_frame.h"
#include "qemu/model/ixgbe82599_hash.h"

#define FRAME_BYTES_MIN 60
#define VLAN_TYPE       0x8100
#define OUTER_VLAN_TYPE 0x88a8

/* A frame whose start is given, filled up to `bytes`; the description outlives only the call. */
static IXGBEFrame parse(const uint8_t *start, size_t start_bytes, size_t bytes)
{
    uint8_t *copy = calloc(1, bytes);
    IXGBEFrame frame;

    assert_non_null(copy);
    memcpy(copy, start, start_bytes < bytes ? start_bytes : bytes);
    ixgbe_frame_parse(&frame, copy, bytes, VLAN_TYPE, OUTER_VLAN_TYPE);
    if (frame.ip_version) {
        (void)ixgbe_frame_pseudo_sum(&frame);
    }
    free(copy);
    return frame;
}

#define ADDRESSES 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2
#define IPV4_TCP_HEADER                                                                            \
    0x45, 0, 0, 44, 0, 1, 0, 0, 64, 6, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2, 0x30, 0x39, 0, 80
#define PARSE(bytes, ...)                                                                          \
    parse((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}), bytes)

static void tcp_over_ipv4_is_recognised(void **state)
{
    IXGBEFrame frame = PARSE(60, ADDRESSES, 0x08, 0x00, IPV4_TCP_HEADER);

    (void)state;
    assert_int_equal(frame.ip_version, 4);
    assert_int_equal(frame.l4, IXGBE_L4_TCP);
    assert_int_equal(frame.source_port, 12345);
    assert_int_equal(frame.destination_port, 80);
    assert_int_equal(frame.l4_offset, 34);
    assert_int_equal(frame.l4_bytes, 24);
    assert_false(frame.has_vlan || frame.is_fragment || frame.has_ip_options);
}

static void tags_are_stepped_over(void **state)
{
    IXGBEFrame one = PARSE(64, ADDRESSES, 0x81, 0, 0x60, 5, 0x08, 0x00, IPV4_TCP_HEADER);
    IXGBEFrame two =
        PARSE(68, ADDRESSES, 0x88, 0xa8, 0, 7, 0x81, 0, 0, 5, 0x08, 0x00, IPV4_TCP_HEADER);

    (void)state;
    assert_true(one.has_vlan);
    assert_int_equal(one.vlan_tci, 0x6005);
    assert_int_equal(one.source_port, 12345);
    assert_true(two.has_vlan && two.has_outer_vlan);
    assert_int_equal(two.vlan_offset, 16);
    assert_int_equal(two.vlan_tci, 5);
    assert_int_equal(two.source_port, 12345);
}

static void headers_that_contradict_the_frame_end_the_parsing(void **state)
{
    (void)state;
    /* A version that the EtherType denies, a header too short, a total shorter than it. */
    assert_int_equal(PARSE(60, ADDRESSES, 0x08, 0x00, 0x65).ip_version, 0);
    assert_int_equal(PARSE(60, ADDRESSES, 0x08, 0x00, 0x44, 0, 0, 44).ip_version, 0);
    assert_int_equal(PARSE(60, ADDRESSES, 0x08, 0x00, 0x45, 0, 0, 19).ip_version, 0);
    /* IPv4 options that leave no room for TCP in the frame, or in the packet. */
    assert_int_equal(PARSE(60, ADDRESSES, 0x08, 0x00, 0x4f, 0, 1, 0, 0, 0, 0, 0, 1, 6).ip_version,
                     0);
    assert_int_equal(PARSE(60, ADDRESSES, 0x08, 0x00, 0x45, 0, 0, 39, 0, 0, 0, 0, 1, 6).l4,
                     IXGBE_L4_OTHER);
}

static void ipv6_extensions_are_walked_to_the_transport(void **state)
{
    IXGBEFrame frame = PARSE(78, ADDRESSES, 0x86, 0xdd, 0x60, 0, 0, 0, 0, 24, 0, 64, [62 - 8] = 60,
                             0, [62] = 17, 0, [70] = 0x30, 0x39, 0, 53, 0, 8);

    (void)state;
    assert_int_equal(frame.ip_version, 6);
    assert_true(frame.has_ip_options);
    assert_int_equal(frame.ip_header_bytes, 56);
    assert_int_equal(frame.l4, IXGBE_L4_UDP);
    assert_int_equal(frame.source_port, 12345);
    assert_int_equal(frame.l4_bytes, 8);
}

static void endless_ipv6_extensions_end_with_the_packet(void **state)
{
    /* Hop-by-hop headers that all name another one: zeros throughout. */
    IXGBEFrame frame = PARSE(1514, ADDRESSES, 0x86, 0xdd, 0x60, 0, 0, 0, 0xff, 0xff, 0, 64);

    (void)state;
    assert_int_equal(frame.ip_version, 6);
    assert_int_equal(frame.l4, IXGBE_L4_OTHER);
    assert_true(frame.l4_not_checkable);
}

/* Whatever comes, no look beyond the frame, and no layer 4 that is not wholly inside it. */
static void random_frames_of_every_size_stay_inside(void **state)
{
    static const uint16_t types[] = {0x0800, 0x86dd, VLAN_TYPE, OUTER_VLAN_TYPE};
    uint8_t start[192];

    (void)state;
    srandom(82599);
    for (int round = 0; round < 200000; round++) {
        size_t bytes = FRAME_BYTES_MIN + random() % 130;
        uint16_t type = types[random() % 4];
        IXGBEFrame frame;

        for (size_t i = 0; i < sizeof(start); i++) {
            /* Small numbers are the lengths and protocols that lead somewhere. */
            start[i] = random() % 3 ? random() % 64 : random();
        }
        ixgbe_put16(start + 12, type);
        if (round % 2) {
            ixgbe_put16(start + 16, types[random() % 2]);
            start[18] = random() % 2 ? 0x45 : 0x60;
        }
        start[14] = type == 0x0800 ? 0x40 | (start[14] & 15) : type == 0x86dd ? 0x60 : start[14];
        frame = parse(start, sizeof(start), bytes);
        if (frame.l4 != IXGBE_L4_OTHER) {
            assert_true(frame.ip_version != 0 && !frame.is_fragment);
            assert_true(frame.l4_offset + 8u <= bytes);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tcp_over_ipv4_is_recognised),
        cmocka_unit_test(tags_are_stepped_over),
        cmocka_unit_test(headers_that_contradict_the_frame_end_the_parsing),
        cmocka_unit_test(ipv6_extensions_are_walked_to_the_transport),
        cmocka_unit_test(endless_ipv6_extensions_end_with_the_packet),
        cmocka_unit_test(random_frames_of_every_size_stay_inside),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
