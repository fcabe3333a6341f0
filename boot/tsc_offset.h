/* SPDX-License-Identifier: MIT */
/*
 * How far another core's TSC is from this one's, from exchanges of which only order is known: it
 * was read there after `sent` and before `received` were read here. So each exchange gives bounds,
 * and all of them the narrowest.
 */
#pragma once

#include "kernel/base.h"

/* What its TSC has more than ours: at least low, at most high ticks. */
struct tsc_range {
    int64_t low;
    int64_t high;
};

#define TSC_RANGE_ALL ((struct tsc_range){INT64_MIN, INT64_MAX})

/* Narrow the range by one exchange. TSCs may have any value, and wrap. */
void tsc_range_add(struct tsc_range *range, uint64_t sent, uint64_t theirs, uint64_t received);

/* Whether exchanges contradict each other: the TSCs run at different rates, or one has jumped. */
bool tsc_range_is_empty(const struct tsc_range *range);

/* What to take off the other's TSC: 0 when they may be equal, else the middle of the range. */
int64_t tsc_range_offset(const struct tsc_range *range);

/* By how many ticks that may be wrong. */
uint64_t tsc_range_doubt(const struct tsc_range *range);
