/* SPDX-License-Identifier: MIT */
/*
 * Sets of nodes: of numbers below NODE_SET_LIMIT. All zero: empty. What goes through a set takes a
 * step for each 64 numbers, and one for each member.
 */
#pragma once

#include "libc/core/assert.h"
#include "libc/core/base.h"

#ifndef NODE_SET_LIMIT
#define NODE_SET_LIMIT 256u /* a simulation may have more; a multiple of 64 */
#endif
#define NODE_SET_WORDS (NODE_SET_LIMIT / 64)

struct node_set {
    uint64_t words[NODE_SET_WORDS];
};

static inline void node_set_add(struct node_set *set, unsigned node)
{
    CORE_ASSERT(node < NODE_SET_LIMIT);
    set->words[node / 64] |= UINT64_C(1) << node % 64;
}

static inline void node_set_remove(struct node_set *set, unsigned node)
{
    set->words[node / 64] &= ~(UINT64_C(1) << node % 64);
}

static inline void node_set_put(struct node_set *set, unsigned node, bool is_member)
{
    (is_member ? node_set_add : node_set_remove)(set, node);
}

static inline bool node_set_has(const struct node_set *set, unsigned node)
{
    return (set->words[node / 64] >> node % 64 & 1) != 0;
}

static inline bool node_set_is_empty(const struct node_set *set)
{
    uint64_t all = 0;

#pragma GCC unroll 4
    for (unsigned i = 0; i < NODE_SET_WORDS; i++) {
        all |= set->words[i];
    }
    return all == 0;
}

static inline void node_set_add_all(struct node_set *set, const struct node_set *others)
{
    for (unsigned i = 0; i < NODE_SET_WORDS; i++) {
        set->words[i] |= others->words[i];
    }
}

/* The first member that is not below `node`; NODE_SET_LIMIT when there is none. */
static inline unsigned node_set_next(const struct node_set *set, unsigned node)
{
    uint64_t below = (UINT64_C(1) << node % 64) - 1;

    for (unsigned i = node / 64; i < NODE_SET_WORDS; i++, below = 0) {
        if ((set->words[i] & ~below) != 0) {
            return i * 64 + (unsigned)__builtin_ctzll(set->words[i] & ~below);
        }
    }
    return NODE_SET_LIMIT;
}

/* Each member, the smallest first. */
#define NODE_SET_EACH(set, node)                                                                   \
    for (unsigned node = node_set_next(set, 0); node < NODE_SET_LIMIT;                             \
         node = node_set_next(set, node + 1))

static inline unsigned node_set_count(const struct node_set *set)
{
    unsigned count = 0;

    NODE_SET_EACH(set, node)
    {
        count++;
    }
    return count;
}
