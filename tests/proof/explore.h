/* SPDX-License-Identifier: MIT */
/*
 * Every state that a machine can come to, breadth first: so a fault is shown by the shortest way to
 * it. States are compared whole, not by a hash.
 */
#pragma once

#include "tests/proof/machine.h"

struct exploration {
    const char *fault; /* NULL: none */
    bool is_whole;     /* no state is left out */
    uint32_t state_count, quiet_count;
    uint64_t choice_count;
    uint32_t depth;                       /* of the state that is farthest from the first */
    uint32_t settled_count;               /* quiet states in which each client is served or gone */
    uint64_t made[CHOICE_KIND_COUNT];     /* choices, by kind */
    uint64_t delivered[MESSAGE_TYPE_MAX]; /* by type */
};

/* Up to so many states. A fault is printed with the way to it. */
struct exploration explore(const struct scenario *scenario, uint32_t state_max);
