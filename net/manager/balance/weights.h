/* SPDX-License-Identifier: MIT */
/*
 * Weights and the draw (PIKA 3.3): who is twice as fast weighs twice as much. Integers only.
 *
 * A weight tree keeps the weights of a table and their sums by pairs, so that one of n is drawn, or
 * changed, in log2 n steps, however many weigh nothing.
 */
#pragma once

#include "kernel/base.h"
#include "kernel/platform.h"

/* Service times are 1 .. SERVICE_MAX_NS (68 s), what is longer counts as that. */
#define SERVICE_MAX_NS (UINT64_C(1) << 36)
#define TARIFF_MAX     1000u

/* The sum of 2,048 of the heaviest fits 64 bits, and the lightest still weighs something. */
#define WEIGHT_OF_1_NS (UINT64_C(1) << 52)
_Static_assert(WEIGHT_OF_1_NS / (SERVICE_MAX_NS * TARIFF_MAX) >= 32, "the lightest are told apart");

/* Of 1 .. SERVICE_MAX_NS times a tariff. */
static inline uint64_t weight_of(uint64_t service_ns)
{
    ASSERT_SLOW(service_ns != 0 && service_ns <= SERVICE_MAX_NS * TARIFF_MAX);
    return WEIGHT_OF_1_NS / service_ns;
}

/* Marsaglia's xorshift: fast, of period 2^64 - 1, and no secret. `state` is not 0. */
static inline uint64_t weight_random(uint64_t *state)
{
    uint64_t x = *state;

    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    *state = x;
    return x;
}

/* A number below `total`, which is not 0; all are as likely (to one part in 2^64 / total). */
static inline uint64_t weight_draw(uint64_t *state, uint64_t total)
{
    ASSERT_SLOW(total != 0);
    return (uint64_t)((unsigned __int128)weight_random(state) * total >> 64);
}

struct weight_tree {
    uint64_t *sums; /* [1] is the root, [leaf_count + i] the weight of i; [0] is not used */
    uint32_t leaf_count;
};

/* What a tree over `count` weights needs: so many sums. */
static inline uint32_t weight_tree_leaves(unsigned count)
{
    return count <= 1 ? 1 : 1u << (32 - __builtin_clz(count - 1));
}
static inline size_t weight_tree_bytes(unsigned count)
{
    return 2 * weight_tree_leaves(count) * sizeof(uint64_t);
}

static inline uint64_t weight_tree_total(const struct weight_tree *tree)
{
    return tree->sums[1];
}
static inline uint64_t weight_tree_get(const struct weight_tree *tree, unsigned index)
{
    return tree->sums[tree->leaf_count + index];
}
void weight_tree_set(struct weight_tree *tree, unsigned index, uint64_t weight);
/* Whose turn it is at `point`, which is below the total: each holds as many points as it weighs. */
unsigned weight_tree_at(const struct weight_tree *tree, uint64_t point);
