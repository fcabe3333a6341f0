/* SPDX-License-Identifier: MIT */
/*
 * What each remote address has: see share.h. By expectation a row adds to an address's amount a
 * five-hundredth of all others', and two rows seldom both much: little beside what is refused.
 */
#include "net/transport/share.h"

#include <string.h>

#include "kernel/platform.h"

/* Dietzfelbinger and others, 1997: the upper half of the product, which all bits of the address
 * reach. */
static inline unsigned cell_of(const struct share *share, unsigned row, uint32_t remote_address)
{
    return (unsigned)((remote_address * share->factors[row]) >> (64 - SHARE_CELLS_LOG2));
}

void share_take(struct share *share, uint32_t remote_address, uint64_t amount)
{
    share->taken += amount;
    for (unsigned row = 0; row < SHARE_ROWS; row++) {
        share->cells[row][cell_of(share, row, remote_address)] += amount;
    }
}

void share_give_back(struct share *share, uint32_t remote_address, uint64_t amount)
{
    share->taken -= amount;
    for (unsigned row = 0; row < SHARE_ROWS; row++) {
        uint64_t *cell = &share->cells[row][cell_of(share, row, remote_address)];

        ASSERT(*cell >= amount);
        *cell -= amount;
    }
}

uint64_t share_of(const struct share *share, uint32_t remote_address)
{
    uint64_t least = share->cells[0][cell_of(share, 0, remote_address)];

    for (unsigned row = 1; row < SHARE_ROWS; row++) {
        uint64_t amount = share->cells[row][cell_of(share, row, remote_address)];

        least = amount < least ? amount : least;
    }
    return least;
}

void share_initialise(struct share *share, uint64_t limit)
{
    memset(share, 0, sizeof(*share));
    share->limit = limit;
    for (unsigned row = 0; row < SHARE_ROWS; row++) {
        share->factors[row] = platform_random() | 1;
    }
}
