/* SPDX-License-Identifier: MIT */
/*
 * Reading latencies back.
 */
#include "apps/webswamp/histogram.h"

#define WHOLE 100000u

static uint64_t upper_end_ns(unsigned bucket)
{
    unsigned power = bucket >> HISTOGRAM_STEP_BITS;
    unsigned shift = power > 1 ? power - 1 : 0;
    uint64_t step = bucket - (shift << HISTOGRAM_STEP_BITS);

    return ((step + 1) << shift) - 1;
}

/* From 1; no product of a large count may wrap. */
static uint64_t rank_of(uint64_t count, unsigned per_100000)
{
    return count / WHOLE * per_100000 + (count % WHOLE * per_100000 + WHOLE - 1) / WHOLE;
}

uint64_t histogram_quantile_ns(const struct histogram *histogram, unsigned per_100000)
{
    uint64_t rank = rank_of(histogram->count, per_100000);
    uint64_t before = 0;

    for (unsigned i = 0; i < HISTOGRAM_BUCKETS - 1; i++) {
        before += histogram->counts[i];
        if (before >= rank && before != 0) {
            uint64_t end_ns = upper_end_ns(i);

            return end_ns < histogram->max_ns ? end_ns : histogram->max_ns;
        }
    }
    return histogram->max_ns;
}
