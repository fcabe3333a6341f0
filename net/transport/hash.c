/* SPDX-License-Identifier: MIT */
/*
 * Keyed hashes of flows: for the tables, and for initial sequence numbers.
 *
 * SipHash-2-4 follows Aumasson and Bernstein, "SipHash: a fast short-input PRF" (2012). The key
 * of the sequence numbers is this node's own: a flow does not move between transport servers.
 */
#include "net/transport/hash.h"

#include <string.h>

#include "kernel/platform.h"

struct flow_hash_secret flow_hash_secret;
static uint64_t sequence_key[2];

void flow_hash_initialise(void)
{
    uint64_t secret = platform_random();

    flow_hash_secret.address_addend = (uint32_t)secret;
    flow_hash_secret.ports_addend = (uint32_t)(secret >> 32);
    sequence_key[0] = platform_random();
    sequence_key[1] = platform_random();
}

static inline uint64_t rotate_left(uint64_t value, unsigned bits)
{
    return value << bits | value >> (64 - bits);
}

static inline void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[2] += v[3];
    v[1] = rotate_left(v[1], 13) ^ v[0];
    v[3] = rotate_left(v[3], 16) ^ v[2];
    v[0] = rotate_left(v[0], 32);
    v[2] += v[1];
    v[0] += v[3];
    v[1] = rotate_left(v[1], 17) ^ v[2];
    v[3] = rotate_left(v[3], 21) ^ v[0];
    v[2] = rotate_left(v[2], 32);
}

static void sip_absorb(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    sip_round(v);
    sip_round(v);
    v[0] ^= word;
}

uint64_t siphash(const uint64_t key[2], const void *data, size_t length_bytes)
{
    const uint8_t *bytes = data;
    size_t left = length_bytes;
    uint64_t v[4] = {
        key[0] ^
            0x736f6d6570736575ull, /* "somepseudorandomlygeneratedbytes", as the paper has it */
        key[1] ^ 0x646f72616e646f6dull,
        key[0] ^ 0x6c7967656e657261ull,
        key[1] ^ 0x7465646279746573ull,
    };

    uint64_t word;

    for (; left >= 8; left -= 8, bytes += 8) {
        memcpy(&word, bytes, 8);
        sip_absorb(v, word);
    }
    word = (uint64_t)length_bytes << 56;
    memcpy(&word, bytes, left);
    sip_absorb(v, word);
    v[2] ^= 0xFF;
    for (unsigned i = 0; i < 4; i++) {
        sip_round(v);
    }
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint32_t flow_initial_sequence(const struct flow *flow, uint64_t now_ns)
{
    return (uint32_t)siphash(sequence_key, flow, sizeof(*flow)) + (uint32_t)(now_ns / 4096);
}
