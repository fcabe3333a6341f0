/* SPDX-License-Identifier: MIT */
/* sources: qemu/model/ixgbe82599_hash.c */
/*
 * The 82599 model's arithmetic against published vectors: the Toeplitz hash of Microsoft's
 * receive-side scaling suite, the flow director's hash, and RFC 1071's checksum.
 */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "qemu/model/ixgbe82599_hash.h"

#define BUCKET_KEY      0x3dad14e2
#define SIGNATURE_KEY   0x174d3614
#define PERFECT_BUCKETS 8192

enum { FLOW_UDP = 1, FLOW_TCP = 2 };

static const uint8_t rss_key[IXGBE_RSS_KEY_BYTES] = {
    0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3,
    0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3,
    0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
};

/* A flow, and its hashes over the addresses and over addresses and ports. */
static const struct rss_vector {
    int family;
    const char *source;
    uint16_t source_port;
    const char *destination;
    uint16_t destination_port;
    uint32_t by_addresses;
    uint32_t by_ports;
} rss_vectors[] = {
    {AF_INET, "66.9.149.187", 2794, "161.142.100.80", 1766, 0x323e8fc2, 0x51ccc178},
    {AF_INET, "199.92.111.2", 14230, "65.69.140.83", 4739, 0xd718262a, 0xc626b0ea},
    {AF_INET, "24.19.198.95", 12898, "12.22.207.184", 38024, 0xd2d0a5de, 0x5c2b394a},
    {AF_INET, "38.27.205.30", 48228, "209.142.163.6", 2217, 0x82989176, 0xafc7327f},
    {AF_INET, "153.39.163.191", 44251, "202.188.127.2", 1303, 0x5d1809c5, 0x10e828a2},
    {AF_INET6, "3ffe:2501:200:1fff::7", 2794, "3ffe:2501:200:3::1", 1766, 0x2cc18cd5, 0x40207d3d},
    {AF_INET6, "3ffe:501:8::260:97ff:fe40:efab", 14230, "ff02::1", 4739, 0x0f0c461c, 0xdde51bbf},
    {AF_INET6, "3ffe:1900:4545:3:200:f8ff:fe21:67cf", 44251, "fe80::200:f8ff:fe21:67cf", 38024,
     0x4b61e985, 0x02d1feef},
};

static void toeplitz_agrees_with_the_published_vectors(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rss_vectors) / sizeof(rss_vectors[0]); i++) {
        const struct rss_vector *vector = &rss_vectors[i];
        size_t address_bytes = vector->family == AF_INET ? 4 : 16;
        uint16_t ports[] = {htons(vector->source_port), htons(vector->destination_port)};
        uint8_t input[36];

        assert_int_equal(inet_pton(vector->family, vector->source, input), 1);
        assert_int_equal(inet_pton(vector->family, vector->destination, input + address_bytes), 1);
        memcpy(input + 2 * address_bytes, ports, sizeof(ports));
        assert_int_equal(ixgbe_toeplitz(rss_key, input, 2 * address_bytes), vector->by_addresses);
        assert_int_equal(ixgbe_toeplitz(rss_key, input, 2 * address_bytes + 4), vector->by_ports);
    }
}

/* 192.0.2.1:12345 to 198.51.100.2:80, with the rest as given. */
static uint16_t hash_of_flow(uint32_t key, uint8_t flow_type, uint16_t vlan, uint16_t flexible)
{
    const uint32_t word[IXGBE_FDIR_HASH_WORDS] = {
        [0] = (uint32_t)flow_type << 16 | vlan,
        [1] = 0xc6336402,
        [5] = 0xc0000201,
        [9] = 12345u << 16 | 80,
        [10] = (uint32_t)flexible << 16,
    };

    return ixgbe_fdir_hash(key, word);
}

static void flow_director_hash_agrees_with_the_worked_examples(void **state)
{
    (void)state;
    assert_int_equal(hash_of_flow(BUCKET_KEY, FLOW_TCP, 0, 0), 0x3e18);
    assert_int_equal(hash_of_flow(SIGNATURE_KEY, FLOW_TCP, 0, 0), 0x09f2);
    assert_int_equal(hash_of_flow(BUCKET_KEY, FLOW_UDP, 0, 0) % PERFECT_BUCKETS, 0x1163);
    assert_int_equal(hash_of_flow(BUCKET_KEY, FLOW_TCP, 5, 0) % PERFECT_BUCKETS, 0x090e);
    assert_int_equal(hash_of_flow(BUCKET_KEY, FLOW_TCP, 0, 0xbeef) % PERFECT_BUCKETS, 0x1192);
}

/* The hash of "TCP from a source port whose low 12 bits are X", all other fields ignored. */
static uint16_t hash_of_port_group(uint16_t port_bits)
{
    const uint32_t word[IXGBE_FDIR_HASH_WORDS] = {
        [0] = FLOW_TCP << 16,
        [9] = (uint32_t)port_bits << 16,
    };

    return ixgbe_fdir_hash(BUCKET_KEY, word) % PERFECT_BUCKETS;
}

static void flow_director_hash_of_port_groups_agrees_with_the_table(void **state)
{
    static const struct {
        uint16_t port_bits;
        uint16_t hash;
    } vectors[] = {
        {0, 0x0a52},  {1, 0x012a},     {2, 0x1ca3},     {3, 0x17db},    {4, 0x07b0},
        {80, 0x03f9}, {0x555, 0x1fd4}, {0xaaa, 0x015f}, {4095, 0x14d9},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        assert_int_equal(hash_of_port_group(vectors[i].port_bits), vectors[i].hash);
    }
}

/* Each of the 4096 filters has a list of its own, so that none is ever too far down in one. */
static void port_groups_fall_into_different_buckets(void **state)
{
    static uint8_t filters[PERFECT_BUCKETS];

    (void)state;
    for (uint32_t group = 0; group < 4096; group++) {
        assert_int_equal(filters[hash_of_port_group(group)]++, 0);
    }
}

/* Word 0's low bit enters the hash by key bits 16 and 0 in different ways: try each key bit. */
static void flow_director_hash_is_linear_for_every_key_bit(void **state)
{
    (void)state;
    for (int bit = 0; bit < 32; bit++) {
        uint32_t key = 1u << bit;
        uint16_t none = hash_of_flow(key, 0, 0, 0);
        uint16_t first = hash_of_flow(key, FLOW_TCP, 0x0fff, 0);
        uint16_t second = hash_of_flow(key, 0, 0xa001, 0x1234);

        assert_int_equal(first ^ second ^ none,
                         hash_of_flow(key, FLOW_TCP, 0x0fff ^ 0xa001, 0x1234));
    }
}

static void port_masks_are_reversed_bit_by_bit(void **state)
{
    (void)state;
    assert_int_equal(ixgbe_reverse16(0x0000), 0x0000);
    assert_int_equal(ixgbe_reverse16(0x000f), 0xf000);
    assert_int_equal(ixgbe_reverse16(0x00ff), 0xff00);
    assert_int_equal(ixgbe_reverse16(0x8000), 0x0001);
    assert_int_equal(ixgbe_reverse16(0xffff), 0xffff);
}

/* RFC 1071 3: these eight bytes sum to ddf2. */
static void checksum_agrees_with_the_rfc(void **state)
{
    static const uint8_t data[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};

    (void)state;
    assert_int_equal(ixgbe_checksum_fold(ixgbe_checksum_add(0, data, sizeof(data))), 0xddf2);
}

/* By the definition, two bytes at a time, for every length and start up to a few words. */
static void checksum_agrees_with_its_definition_at_any_length_and_alignment(void **state)
{
    uint8_t data[64];

    (void)state;
    for (size_t i = 0; i < sizeof(data); i++) {
        data[i] = 255 - 7 * i;
    }
    for (size_t start = 0; start < 4; start++) {
        for (size_t bytes = 0; start + bytes <= sizeof(data); bytes++) {
            uint64_t sum = 0x1fffe;

            for (size_t i = 0; i < bytes; i++) {
                sum += (uint32_t)data[start + i] << (i % 2 ? 0 : 8);
            }
            assert_int_equal(ixgbe_checksum_fold(ixgbe_checksum_add(0x1fffe, data + start, bytes)),
                             ixgbe_checksum_fold(sum));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(toeplitz_agrees_with_the_published_vectors),
        cmocka_unit_test(flow_director_hash_agrees_with_the_worked_examples),
        cmocka_unit_test(flow_director_hash_of_port_groups_agrees_with_the_table),
        cmocka_unit_test(port_groups_fall_into_different_buckets),
        cmocka_unit_test(flow_director_hash_is_linear_for_every_key_bit),
        cmocka_unit_test(port_masks_are_reversed_bit_by_bit),
        cmocka_unit_test(checksum_agrees_with_the_rfc),
        cmocka_unit_test(checksum_agrees_with_its_definition_at_any_length_and_alignment),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
