/* SPDX-License-Identifier: MIT */
/*
 * How much of something that is limited each remote address has, so that one of them does not keep
 * the others out. It gets more as long as it has no more than twice what is left then (the dynamic
 * thresholds of Choudhury and Hahne, 1998): alone two thirds, of two each two fifths, and something
 * is left for one that comes anew. While less than two thirds are taken nobody is refused, and
 * nothing has to be looked up.
 *
 * Addresses are counted in cells that they share by chance (Cormode and Muthukrishnan's count-min
 * sketch, 2005): no address needs memory of its own, and none is said to have less than it has.
 */
#pragma once

#include "kernel/base.h"

#define SHARE_OF_FREE    2u
#define SHARE_ROWS       2u
#define SHARE_CELLS_LOG2 9u

struct share {
    uint64_t limit, taken;
    uint64_t factors[SHARE_ROWS]; /* of a multiplicative hash, secret */
    uint64_t cells[SHARE_ROWS][1u << SHARE_CELLS_LOG2];
};

/* Nothing is taken. */
void share_initialise(struct share *share, uint64_t limit);
/* Any amount: what may be taken the caller has asked. */
void share_take(struct share *share, uint32_t remote_address, uint64_t amount);
void share_give_back(struct share *share, uint32_t remote_address, uint64_t amount);
/* What this address has, or more: in each row others' amounts may stand in its cell, too. */
uint64_t share_of(const struct share *share, uint32_t remote_address);

static inline bool share_is_exhausted(const struct share *share)
{
    return share->taken > share->limit;
}

static inline uint64_t share_free(const struct share *share)
{
    return share_is_exhausted(share) ? 0 : share->limit - share->taken;
}

/* Whether this address may have so much more: it has no more than twice what is left behind it.
 * What its cells have of others, as to expect, and as much again, is forgiven. */
static inline bool share_allows(const struct share *share, uint32_t remote_address, uint64_t amount)
{
    uint64_t free = share_free(share);
    uint64_t most = SHARE_OF_FREE * (free - amount) + (share->taken >> (SHARE_CELLS_LOG2 - 1));

    return amount <= free &&
           (LIKELY(share->taken <= most) || share_of(share, remote_address) <= most);
}
