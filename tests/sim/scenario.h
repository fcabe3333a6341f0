/* SPDX-License-Identifier: MIT */
/*
 * The paper's experiment (PIKA 5.3), at its size and at larger ones, and what it leaves open: one
 * table, which is printed with every result.
 */
#pragma once

#include "tests/sim/output.h"
#include "tests/sim/simulation.h"

/* Eight web servers are disturbed, or not, in the same way whatever their number. */
#define SCENARIO_BLOCK 8u

/* Web servers as the paper numbers them, from 1. */
#define SCENARIO_MILD_SERVER 7u /* "slows slightly": Figure 10's */

/* The experiment's length, unless a run is cut short. */
#define SCENARIO_NS (5 * NS_PER_S)

/* `server_count` composite servers under this scheme ("tournament:2"; NULL: Linux's shared queue),
 * with the paper's disturbances or without. The rate grows with the servers. `duration_ns` below
 * SCENARIO_NS has all changes in proportion earlier: a run with the same phases. */
struct scenario {
    struct simulation_options options;
    char balance[64];
    struct disturbance *disturbances;
};

void scenario_initialise(struct scenario *scenario, unsigned server_count, const char *scheme,
                         bool is_disturbed, uint64_t duration_ns, uint64_t seed);
void scenario_release(struct scenario *scenario);
/* The table of what the paper says and what is assumed, as comments of a file. */
void scenario_print(struct output_file *file);
