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
static struct siphash_key sequence_key;
/* The same behind the local half of a flow, which is one for all connections of a served port: the
 * last one's. */
static struct siphash_key sequence_key_of_local;
static uint64_t sequence_local;

#define NO_LOCAL UINT64_MAX /* a local half has 48 bits */

void flow_hash_initialise(void)
{
    uint64_t secret = platform_random();

    flow_hash_secret.address_addend = (uint32_t)secret;
    flow_hash_secret.ports_addend = (uint32_t)(secret >> 32);
    sequence_key = siphash_key_of(platform_random(), platform_random());
    sequence_local = NO_LOCAL;
}

/* --- SipHash-2-4: inline, so that its four words stay in registers --- */

#define SIP_INLINE static inline __attribute__((always_inline))

SIP_INLINE uint64_t rotate_left(uint64_t value, unsigned bits)
{
    return value << bits | value >> (64 - bits);
}

SIP_INLINE void sip_round(struct siphash_key *sip)
{
    sip->v0 += sip->v1;
    sip->v2 += sip->v3;
    sip->v1 = rotate_left(sip->v1, 13) ^ sip->v0;
    sip->v3 = rotate_left(sip->v3, 16) ^ sip->v2;
    sip->v0 = rotate_left(sip->v0, 32);
    sip->v2 += sip->v1;
    sip->v0 += sip->v3;
    sip->v1 = rotate_left(sip->v1, 17) ^ sip->v2;
    sip->v3 = rotate_left(sip->v3, 21) ^ sip->v0;
    sip->v2 = rotate_left(sip->v2, 32);
}

SIP_INLINE void sip_absorb(struct siphash_key *sip, uint64_t word)
{
    sip->v3 ^= word;
    sip_round(sip);
    sip_round(sip);
    sip->v0 ^= word;
}

/* `tail`: the bytes that do not fill a word; the input's length goes with them. */
SIP_INLINE uint64_t sip_end(struct siphash_key *sip, uint64_t tail, size_t length_bytes)
{
    sip_absorb(sip, tail | (uint64_t)length_bytes << 56);
    sip->v2 ^= 0xFF;
    sip_round(sip);
    sip_round(sip);
    sip_round(sip);
    sip_round(sip);
    return sip->v0 ^ sip->v1 ^ sip->v2 ^ sip->v3;
}

struct siphash_key siphash_key_of(uint64_t first, uint64_t second)
{
    return (struct siphash_key){
        /* "somepseudorandomlygeneratedbytes", as the paper has it */
        .v0 = first ^ 0x736f6d6570736575ull,
        .v1 = second ^ 0x646f72616e646f6dull,
        .v2 = first ^ 0x6c7967656e657261ull,
        .v3 = second ^ 0x7465646279746573ull,
    };
}

uint64_t siphash(const struct siphash_key *key, const void *data, size_t length_bytes)
{
    struct siphash_key sip = *key;
    const uint8_t *bytes = data;
    size_t left = length_bytes;
    uint64_t tail = 0;

    for (; left >= 8; left -= 8, bytes += 8) {
        sip_absorb(&sip, load_le64(bytes));
    }
    memcpy(&tail, bytes, left);
    return sip_end(&sip, tail, length_bytes);
}

/* --- Flows, of fixed length --- */

_Static_assert(sizeof(struct flow) == 12, "a word and a half");

uint64_t flow_siphash(const struct siphash_key *key, const struct flow *flow, uint32_t number)
{
    struct siphash_key sip = *key;

    sip_absorb(&sip, load_le64(flow));
    sip_absorb(&sip, flow_ports(flow) | (uint64_t)number << 32);
    return sip_end(&sip, 0, sizeof(*flow) + sizeof(number));
}

static __attribute__((noinline)) void absorb_local(uint64_t local)
{
    sequence_key_of_local = sequence_key;
    sip_absorb(&sequence_key_of_local, local);
    sequence_local = local;
}

/* Of the local half, and the remote one: a word each, the length behind the second. */
uint32_t flow_initial_sequence(const struct flow *flow, uint64_t now_ns)
{
    uint64_t local = flow->local_address | (uint64_t)flow->local_port << 32;
    uint64_t remote = flow->remote_address | (uint64_t)flow->remote_port << 32;
    struct siphash_key sip;

    if (UNLIKELY(local != sequence_local)) {
        absorb_local(local);
    }
    sip = sequence_key_of_local;
    return (uint32_t)sip_end(&sip, remote, 14) + (uint32_t)(now_ns / 4096);
}
