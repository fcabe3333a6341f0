/* SPDX-License-Identifier: MIT */
/*
 * Hashing of flows with secrets of this boot, so that who does not know them cannot aim at one
 * bucket.
 */
#pragma once

#include "kernel/base.h"
#include "libc/core/bytes.h"
#include "net/messages.h"

struct flow_hash_secret {
    uint32_t address_addend;
    uint32_t ports_addend;
};
extern struct flow_hash_secret flow_hash_secret;

void flow_hash_initialise(void);

/* Both ports at once, as they stand in a segment. */
static inline uint32_t flow_ports(const struct flow *flow)
{
    return load_le32((const uint8_t *)flow + offsetof(struct flow, remote_port));
}

/*
 * The product of two sums modulo 2^32 (the NH family: two different flows collide with a
 * probability of 2^-32 before folding). The local address is left out: there is one.
 */
static inline uint32_t flow_hash(const struct flow *flow)
{
    uint64_t product = (uint64_t)(flow->remote_address + flow_hash_secret.address_addend) *
                       (flow_ports(flow) + flow_hash_secret.ports_addend);

    return (uint32_t)(product >> 32) ^ (uint32_t)product;
}

static inline bool flow_equals(const struct flow *left, const struct flow *right)
{
    return left->remote_address == right->remote_address &&
           left->local_address == right->local_address && flow_ports(left) == flow_ports(right);
}

/*
 * The initial sequence number of a flow (RFC 6528): a keyed hash of the flow plus a clock that
 * counts about every four microseconds (4096 ns).
 */
uint32_t flow_initial_sequence(const struct flow *flow, uint64_t now_ns);
/* A key of SipHash-2-4, as it stands in its four words before the first byte. */
struct siphash_key {
    uint64_t v0, v1, v2, v3;
};
struct siphash_key siphash_key_of(uint64_t first, uint64_t second);
/* SipHash-2-4 of a flow and a number behind it. */
uint64_t flow_siphash(const struct siphash_key *key, const struct flow *flow, uint32_t number);
/* The same of any short input: what the others, written out for their lengths, are checked by. */
uint64_t siphash(const struct siphash_key *key, const void *data, size_t length_bytes);
