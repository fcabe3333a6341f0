/* SPDX-License-Identifier: MIT */
/*
 * See curve.h.
 */
#include "tests/sim/curve.h"

#include <math.h>
#include <stdlib.h>

#include "kernel/platform.h"

struct curve curve_of(const struct statistics *statistics)
{
    struct curve curve = {.count = statistics->arrived};

    ASSERT(curve.count > 0);
    curve.values_ns = malloc(curve.count * sizeof(*curve.values_ns));
    ASSERT(curve.values_ns != NULL);
    for (size_t i = 0; i < curve.count; i++) {
        curve.values_ns[i] =
            i < statistics->record_count ? statistics->records[i].service_ns : CURVE_REFUSED_NS;
    }
    sort_values(curve.values_ns, curve.count);
    return curve;
}

void curve_release(struct curve *curve)
{
    free(curve->values_ns);
}

double curve_us(const struct curve *curve, double percent)
{
    uint64_t value_ns = percentile(curve->values_ns, curve->count, percent / 100);

    return value_ns == CURVE_REFUSED_NS ? INFINITY : (double)value_ns / (double)NS_PER_US;
}

double curve_leaves(const struct curve *curve, const struct curve *reference)
{
    /* In steps of a hundredth up to the last of them, which few runs have a thousand values for. */
    for (unsigned step = 1; step < 10000; step++) {
        double percent = step / 100.0;

        if (curve_us(curve, percent) > CURVE_LEAVES_FACTOR * curve_us(reference, percent)) {
            return percent;
        }
    }
    return 100;
}

bool curve_point(unsigned step, double *percent)
{
    if (step < 98) {
        *percent = 1 + step; /* 1 .. 98 */
    } else if (step < 98 + 19) {
        *percent = 98.1 + (step - 98) * 0.1; /* .. 99.9 */
    } else if (step < 98 + 19 + 9) {
        *percent = 99.91 + (step - 98 - 19) * 0.01; /* .. 99.99 */
    } else {
        return false;
    }
    return true;
}
