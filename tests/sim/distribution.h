/* SPDX-License-Identifier: MIT */
/*
 * Distributions of times: how long a request is served, or until the next one comes.
 */
#pragma once

#include "tests/sim/random.h"

enum distribution_kind {
    DISTRIBUTION_CONSTANT,
    DISTRIBUTION_EXPONENTIAL,
    /* One of two exponential ones, the first with `first_share`: more spread than one alone. */
    DISTRIBUTION_HYPEREXPONENTIAL,
    DISTRIBUTION_LOGNORMAL,
};

struct distribution {
    enum distribution_kind kind;
    double mean_ns;     /* of HYPEREXPONENTIAL: the first one's */
    double second_ns;   /* HYPEREXPONENTIAL: the second one's mean */
    double first_share; /* HYPEREXPONENTIAL */
    double variation;   /* LOGNORMAL: standard deviation over mean */
};

double distribution_sample_ns(const struct distribution *distribution, struct random *random);
double distribution_mean_ns(const struct distribution *distribution);
/* The mean of the squares. */
double distribution_second_moment(const struct distribution *distribution);
