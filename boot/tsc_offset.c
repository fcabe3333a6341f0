/* SPDX-License-Identifier: MIT */
/*
 * An offset is corrected only when it is certain that there is one: on a busy emulator an exchange
 * may take milliseconds, and the middle of that would be worse than nothing.
 */
#include "boot/tsc_offset.h"

void tsc_range_add(struct tsc_range *range, uint64_t sent, uint64_t theirs, uint64_t received)
{
    /* theirs = T + offset for some T from sent to received; modulo 2^64, then as a signed number.
     */
    int64_t low = (int64_t)(theirs - received);
    int64_t high = (int64_t)(theirs - sent);

    range->low = low > range->low ? low : range->low;
    range->high = high < range->high ? high : range->high;
}

bool tsc_range_is_empty(const struct tsc_range *range)
{
    return range->low > range->high;
}

int64_t tsc_range_offset(const struct tsc_range *range)
{
    if (range->low <= 0 && range->high >= 0) {
        return 0;
    }
    /* No sum of the two, which may not fit. */
    return range->low / 2 + range->high / 2 + (range->low % 2 + range->high % 2) / 2;
}

uint64_t tsc_range_doubt(const struct tsc_range *range)
{
    int64_t offset = tsc_range_offset(range);
    uint64_t below = (uint64_t)offset - (uint64_t)range->low;
    uint64_t above = (uint64_t)range->high - (uint64_t)offset;

    return tsc_range_is_empty(range) ? 0 : below > above ? below : above;
}
