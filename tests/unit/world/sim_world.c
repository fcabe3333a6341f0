/* SPDX-License-Identifier: MIT */
/* sources: tests/sim/application.c tests/sim/clients.c tests/sim/connections.c tests/sim/distribution.c tests/sim/events.c tests/sim/fifo.c */
/* sources: tests/sim/host.c tests/sim/managers.c tests/sim/network.c tests/sim/random.c tests/sim/shared_queue.c tests/sim/simulation.c tests/sim/statistics.c */
/* sources: net/manager/manager.c net/manager/acceptors.c net/manager/listeners.c net/manager/offering.c net/manager/options.c net/manager/ports.c net/manager/service.c net/manager/waiting.c */
/* sources: net/manager/balance/balance.c net/manager/balance/filtered.c net/manager/balance/least.c net/manager/balance/naive.c */
/* sources: net/manager/balance/offers.c net/manager/balance/tournament.c net/manager/balance/unfiltered.c net/manager/balance/weights.c */
/* sources: net/configuration.c net/placement.c libc/core/command_line.c libc/core/format.c */
/*
 * See sim_world.h.
 */
#include "tests/unit/world/sim_world.h"

#include <stdlib.h>

#include "kernel/platform.h"

struct simulation_options sim_queue(unsigned server_count, double utilisation,
                                    const struct distribution *service, unsigned connection_count)
{
    double rate_per_s = utilisation * server_count * NS_PER_S / distribution_mean_ns(service);

    return (struct simulation_options){
        .server_count = server_count,
        .balance = "balance=naive",
        .seed = 1,
        .clients = CLIENTS_POISSON,
        .connections_per_s = rate_per_s,
        .duration_ns = (uint64_t)(connection_count * (double)NS_PER_S / rate_per_s),
        .service = *service,
        .claim_timeout_ns = 100 * NS_PER_S,
        .backlog = 2048,
    };
}

struct observed sim_observe(const struct simulation_options *options)
{
    struct simulation *simulation = simulation_run(options);
    struct observed observed = {.sorted_ns = NULL};
    size_t count = simulation->statistics.record_count;

    observed.sorted_ns = malloc(count * sizeof(*observed.sorted_ns));
    ASSERT(observed.sorted_ns != NULL);
    for (size_t i = count / 10; i < count; i++) {
        const struct record *record = &simulation->statistics.records[i];

        observed.mean_wait_ns += (double)record->wait_ns;
        observed.waited_share += record->wait_ns > 0;
        observed.mean_service_ns += (double)record->service_ns;
        observed.sorted_ns[observed.count++] = record->service_ns;
    }
    observed.mean_wait_ns /= (double)observed.count;
    observed.waited_share /= (double)observed.count;
    observed.mean_service_ns /= (double)observed.count;
    sort_values(observed.sorted_ns, observed.count);
    simulation_release(simulation);
    return observed;
}

void sim_release(struct observed *observed)
{
    free(observed->sorted_ns);
}
