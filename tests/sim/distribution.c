/* SPDX-License-Identifier: MIT */
/*
 * See distribution.h. Moments from the textbooks; for a lognormal one with mean m and variation c,
 * the logarithm is normal with variance ln(1 + c^2) and mean ln(m) minus half of that.
 */
#include "tests/sim/distribution.h"

#include <math.h>

#include "kernel/platform.h"

static double sample_exponential(double mean, struct random *random)
{
    return -mean * log1p(-random_unit(random));
}

/* Box and Muller's: one of the pair is enough. */
static double sample_normal(struct random *random)
{
    double radius = sqrt(-2 * log1p(-random_unit(random)));

    return radius * cos(2 * M_PI * random_unit(random));
}

double distribution_sample_ns(const struct distribution *distribution, struct random *random)
{
    switch (distribution->kind) {
    case DISTRIBUTION_CONSTANT:
        return distribution->mean_ns;
    case DISTRIBUTION_EXPONENTIAL:
        return sample_exponential(distribution->mean_ns, random);
    case DISTRIBUTION_HYPEREXPONENTIAL:
        return sample_exponential(random_unit(random) < distribution->first_share
                                      ? distribution->mean_ns
                                      : distribution->second_ns,
                                  random);
    case DISTRIBUTION_LOGNORMAL: {
        double variance = log1p(distribution->variation * distribution->variation);

        return exp(log(distribution->mean_ns) - variance / 2 +
                   sqrt(variance) * sample_normal(random));
    }
    }
    PANIC("no distribution of kind %d", distribution->kind);
}

double distribution_mean_ns(const struct distribution *distribution)
{
    return distribution->kind != DISTRIBUTION_HYPEREXPONENTIAL
               ? distribution->mean_ns
               : distribution->first_share * distribution->mean_ns +
                     (1 - distribution->first_share) * distribution->second_ns;
}

double distribution_second_moment(const struct distribution *distribution)
{
    double square = distribution->mean_ns * distribution->mean_ns;

    switch (distribution->kind) {
    case DISTRIBUTION_CONSTANT:
        return square;
    case DISTRIBUTION_EXPONENTIAL:
        return 2 * square;
    case DISTRIBUTION_HYPEREXPONENTIAL:
        return 2 * (distribution->first_share * square + (1 - distribution->first_share) *
                                                             distribution->second_ns *
                                                             distribution->second_ns);
    case DISTRIBUTION_LOGNORMAL:
        return square * (1 + distribution->variation * distribution->variation);
    }
    PANIC("no distribution of kind %d", distribution->kind);
}
