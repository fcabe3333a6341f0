/* SPDX-License-Identifier: MIT */
/*
 * Simulated machines for unit tests of tests/sim/.
 */
#pragma once

#include "tests/sim/simulation.h"

/* Of what was observed of a run's connections, without the first tenth: while it was empty. */
struct observed {
    double mean_wait_ns;    /* until an application began to serve it */
    double waited_share;    /* of connections that waited at all */
    double mean_service_ns; /* wait and service */
    uint64_t *sorted_ns;    /* all of the latter */
    size_t count;
};

/* `server_count` servers without any way or time but that of the service, mean 100 us; Poisson
 * clients keep the web servers busy for this share of the time, until `connection_count` have come.
 */
struct simulation_options sim_queue(unsigned server_count, double utilisation,
                                    const struct distribution *service, unsigned connection_count);
/* Run it, and say what was observed; to be given back. */
struct observed sim_observe(const struct simulation_options *options);
void sim_release(struct observed *observed);
