/* SPDX-License-Identifier: MIT */
/*
 * Service times of a run as a curve over percentiles, and where one curve leaves another.
 */
#pragma once

#include "tests/sim/statistics.h"

/* What stands for the service time of a connection that was refused: longer than any. */
#define CURVE_REFUSED_NS UINT64_MAX

/* A curve has left another from where it is this many times as long. Chosen: what shows in the
 * paper's plot, whose scale is logarithmic, and more than chance makes of two runs. */
#define CURVE_LEAVES_FACTOR 1.5

/* Sorted service times of all connections, refused ones as well. */
struct curve {
    uint64_t *values_ns;
    size_t count;
};

struct curve curve_of(const struct statistics *statistics);
void curve_release(struct curve *curve);

/* The service time at a percentile, above 0 and up to 100; infinite among the refused. */
double curve_us(const struct curve *curve, double percent);
/* The first percentile at which `curve` is CURVE_LEAVES_FACTOR times as long as `reference`; 100
 * if there is none. */
double curve_leaves(const struct curve *curve, const struct curve *reference);

/* The percentiles that are worth a point in a plot, densest near 100: `step` from 0, while true. */
bool curve_point(unsigned step, double *percent);
