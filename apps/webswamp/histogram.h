/* SPDX-License-Identifier: MIT */
/*
 * How often each latency has occurred, in buckets whose width grows with what they hold: each
 * power of two is cut into HISTOGRAM_STEPS of equal width, and below 2 * HISTOGRAM_STEPS every
 * nanosecond has its own. So what is read back is never less than what was noted, and more by less
 * than one part in HISTOGRAM_STEPS (0.8 %). (The layout is that of HdrHistogram.)
 */
#pragma once

#include <stdint.h>

#define HISTOGRAM_STEP_BITS  7u
#define HISTOGRAM_STEPS      (1u << HISTOGRAM_STEP_BITS)
/* What is longer, 73 minutes and more, is counted in the last bucket. */
#define HISTOGRAM_VALUE_BITS 42u
#define HISTOGRAM_BUCKETS    ((HISTOGRAM_VALUE_BITS - HISTOGRAM_STEP_BITS + 1) * HISTOGRAM_STEPS)

/* All zero: empty. */
struct histogram {
    uint64_t counts[HISTOGRAM_BUCKETS];
    uint64_t count;
    uint64_t max_ns; /* exactly */
};

static inline unsigned histogram_bucket(uint64_t value_ns)
{
    unsigned shift;

    if (value_ns >= UINT64_C(1) << HISTOGRAM_VALUE_BITS) {
        return HISTOGRAM_BUCKETS - 1;
    }
    /* How far beyond the steps of its power of two it reaches; none of the first two. */
    shift = 63 - HISTOGRAM_STEP_BITS - (unsigned)__builtin_clzll(value_ns | HISTOGRAM_STEPS);
    return (shift << HISTOGRAM_STEP_BITS) + (unsigned)(value_ns >> shift);
}

/* Some fifteen instructions. */
static inline void histogram_note(struct histogram *histogram, uint64_t value_ns)
{
    histogram->counts[histogram_bucket(value_ns)]++;
    histogram->count++;
    if (value_ns > histogram->max_ns) {
        histogram->max_ns = value_ns;
    }
}

/*
 * What so many of 100,000 (1 to 100,000) took at most: the upper end of the bucket in which the
 * one of that rank lies, or the longest of all if that is less. 0 when there is none.
 */
uint64_t histogram_quantile_ns(const struct histogram *histogram, unsigned per_100000);
