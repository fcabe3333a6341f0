/* SPDX-License-Identifier: MIT */
#include "apps/forward/balance.h"

static bool is_possible(const struct backend_pool *pool, unsigned place, uint32_t tried)
{
    return pool->is_up[place] && (tried >> place & 1) == 0;
}

static unsigned weight_of(const struct backend_pool *pool, unsigned place)
{
    return pool->service->backends[place].weight;
}

/* Smooth: each earns its weight in a turn, and who is chosen pays the weights of all. So with
 * weights of 2 and 1 the turns are a, b, a and not a, a, b. */
static unsigned choose_in_turn(struct backend_pool *pool, uint32_t tried)
{
    unsigned chosen = BACKEND_NONE;
    int total = 0;

    for (unsigned i = 0; i < pool->service->backend_count; i++) {
        if (!is_possible(pool, i, tried)) {
            continue;
        }
        pool->credit[i] += (int)weight_of(pool, i);
        total += (int)weight_of(pool, i);
        if (chosen == BACKEND_NONE || pool->credit[i] > pool->credit[chosen]) {
            chosen = i;
        }
    }
    if (chosen != BACKEND_NONE) {
        pool->credit[chosen] -= total;
    }
    return chosen;
}

/* Of those with least for their weight the one whose turn it is: else the first got all when there
 * are none. */
static unsigned choose_least(struct backend_pool *pool, uint32_t tried)
{
    unsigned least = BACKEND_NONE;
    uint32_t others = tried;

    for (unsigned i = 0; i < pool->service->backend_count; i++) {
        if (is_possible(pool, i, tried) &&
            (least == BACKEND_NONE || (uint64_t)pool->active[i] * weight_of(pool, least) <
                                          (uint64_t)pool->active[least] * weight_of(pool, i))) {
            least = i;
        }
    }
    for (unsigned i = 0; least != BACKEND_NONE && i < pool->service->backend_count; i++) {
        if ((uint64_t)pool->active[i] * weight_of(pool, least) !=
            (uint64_t)pool->active[least] * weight_of(pool, i)) {
            others |= 1u << i;
        }
    }
    return choose_in_turn(pool, others);
}

/* The finaliser of MurmurHash3 (public domain): each bit of the input changes half of the output's.
 */
static uint64_t mix(uint64_t value)
{
    value ^= value >> 33;
    value *= 0xFF51AFD7ED558CCDull;
    value ^= value >> 33;
    value *= 0xC4CEB9FE1A85EC53ull;
    return value ^ value >> 33;
}

/* Rendezvous hashing (Thaler, Ravishankar 1998): each backend has a number for each client, as many
 * as its weight, and the highest wins. Where one fails only its clients move, to all others alike;
 * when it is back they return. */
static unsigned choose_by_hash(const struct backend_pool *pool, uint32_t client_address,
                               uint32_t tried)
{
    unsigned chosen = BACKEND_NONE;
    uint64_t highest = 0;

    for (unsigned i = 0; i < pool->service->backend_count; i++) {
        const struct sockaddr_in *address = &pool->service->backends[i].address;
        uint64_t seed = mix((uint64_t)address->sin_addr.s_addr << 16 | address->sin_port);

        if (!is_possible(pool, i, tried)) {
            continue;
        }
        for (unsigned ticket = 0; ticket < weight_of(pool, i); ticket++) {
            uint64_t score = mix(mix(seed + ticket) ^ client_address);

            if (chosen == BACKEND_NONE || score > highest) {
                chosen = i;
                highest = score;
            }
        }
    }
    return chosen;
}

unsigned backend_choose(struct backend_pool *pool, uint32_t client_address, uint32_t tried)
{
    switch (pool->service->balance) {
    case BALANCE_HASH:
        return choose_by_hash(pool, client_address, tried);
    case BALANCE_LEAST:
        return choose_least(pool, tried);
    default:
        return choose_in_turn(pool, tried);
    }
}
