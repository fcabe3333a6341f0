/* SPDX-License-Identifier: MIT */
/*
 * What an OFFER costs its receiver, measured: the CM that has been simulated gets more of them,
 * nothing else happens meanwhile, and this machine's clock runs.
 */
#include <time.h>

#include "kernel/platform.h"
#include "net/manager/manager.h"
#include "tests/sim/managers.h"
#include "tests/sim/simulation.h"

/* Chosen: of so many runs at least one is not interrupted, also on a busy machine. */
#define MEASUREMENTS    30
/* In each, as many as take some microseconds. */
#define OFFERS_AT_LEAST 512

static double clock_ns(void)
{
    struct timespec now;

    ASSERT(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    return (double)now.tv_sec * (double)NS_PER_S + (double)now.tv_nsec;
}

/* From each other CM in turn, with a time that is news: an eighth more or less than before. */
static unsigned offer_from_all(struct simulation *simulation, struct manager *manager,
                               uint64_t service_ns)
{
    unsigned count = simulation->configuration.cm_count;

    for (unsigned i = 1; i < count; i++) {
        node_id_t cm = simulation->configuration.cm[i];
        struct offer offer = {
            .header = {.type = OFFER, .length_bytes = sizeof(offer)},
            .acceptor = {.node = application_node(simulation, i),
                         .cm = cm,
                         .assigned_by = cm,
                         .request_number = 1},
            .port = SIMULATION_PORT,
            .service_ns = service_ns + i,
        };

        manager_handle_offer(manager, cm, (const struct message *)&offer);
    }
    return count - 1;
}

double managers_measure_offer_ns(struct simulation *simulation)
{
    struct manager *manager = managers_cm(simulation, 0);
    double shortest_ns = 1e18;

    for (unsigned i = 0; i < MEASUREMENTS; i++) {
        double start_ns = clock_ns(), each_ns;
        unsigned count = 0;

        for (unsigned round = 0; count < OFFERS_AT_LEAST; round++) {
            count += offer_from_all(simulation, manager, round % 2 == 0 ? 11000 : 14000);
        }
        each_ns = (clock_ns() - start_ns) / count;
        shortest_ns = each_ns < shortest_ns ? each_ns : shortest_ns;
    }
    return shortest_ns;
}
