/* SPDX-License-Identifier: MIT */
/*
 * What the nodes' secrets are made of, gathered while the machine boots: the processor's generators
 * if they seem to work; how the TSC runs against other clocks and against what boot does, a few
 * thousand samples; the real-time clock; what loader and firmware say, a seed of theirs included.
 * All of it goes into one pool, so that no source alone is trusted (libc/core/random.h).
 */
#pragma once

#include "kernel/base.h"

#define ENTROPY_SEED_WORDS 4u

/* Draw from the processor's generators, and test what they give. */
void entropy_start(void);
/* Put in what somebody says, and when: this reads the TSC, too. */
void entropy_add(const void *bytes, size_t length);
/* Say in the log when a generator is missing or does not work. */
void entropy_report(void);
/* A node's own secret; no two are alike. */
void entropy_draw(uint64_t seed[ENTROPY_SEED_WORDS]);
/* A node's next secret, when it is built again: from one that boot has kept for it and told nobody,
 * and from what this core has to give now; what is kept becomes another. For any core at any time.
 */
void entropy_renew(uint64_t kept[ENTROPY_SEED_WORDS], uint64_t seed[ENTROPY_SEED_WORDS]);
