/* SPDX-License-Identifier: MIT */
/*
 * Random numbers from a seed: xoshiro256** (Blackman and Vigna, "Scrambled Linear Pseudorandom
 * Number Generators", 2021), its state filled by splitmix64 as its authors advise.
 */
#pragma once

#include "kernel/base.h"

struct random {
    uint64_t state[4];
};

void random_seed(struct random *random, uint64_t seed);
uint64_t random_next(struct random *random);
/* In [0, 1), in steps of 2^-53. */
double random_unit(struct random *random);
/* Below `limit`, which is not 0. Not exactly even: off by 2^-32 of its share at most, for limits
 * below 2^32. */
uint32_t random_below(struct random *random, uint32_t limit);
