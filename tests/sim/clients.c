/* SPDX-License-Identifier: MIT */
/*
 * See clients.h. A client's port is chance, and with it the TS (steering by the source port); with
 * a number of open connections, as apachebench has them, a new one takes another port.
 */
#include "tests/sim/clients.h"

#include "kernel/platform.h"
#include "tests/sim/simulation.h"

bool clients_are_done(const struct simulation *simulation)
{
    return simulation_now_ns(simulation) >= simulation->options.duration_ns;
}

static void open_one(struct simulation *simulation)
{
    connection_open(simulation, (node_id_t)random_below(&simulation->arrivals,
                                                        simulation->options.server_count));
}

static void open_next(void *context, uint32_t number, uint64_t unused);

static void schedule_next(struct simulation *simulation)
{
    const struct simulation_options *options = &simulation->options;
    const struct distribution gap = {
        .kind =
            options->clients == CLIENTS_POISSON ? DISTRIBUTION_EXPONENTIAL : DISTRIBUTION_CONSTANT,
        .mean_ns = (double)NS_PER_S / options->connections_per_s,
    };

    unsigned calm = simulation_now_ns(simulation) < options->calm_ns ? 4 : 1;

    /* Kept in fractions of a nanosecond, so that the rate is exact. */
    simulation->next_arrival_ns += calm * distribution_sample_ns(&gap, &simulation->arrivals);
    if (simulation->next_arrival_ns < (double)options->duration_ns) {
        events_schedule(&simulation->events, (uint64_t)simulation->next_arrival_ns, open_next,
                        simulation, 0, 0);
    }
}

static void open_next(void *context, uint32_t number, uint64_t unused)
{
    struct simulation *simulation = context;

    (void)number;
    (void)unused;
    schedule_next(simulation);
    open_one(simulation);
}

void clients_connection_ended(struct simulation *simulation)
{
    if (simulation->options.clients == CLIENTS_CLOSED && !clients_are_done(simulation)) {
        open_one(simulation);
    }
}

void clients_start(struct simulation *simulation)
{
    if (simulation->options.clients != CLIENTS_CLOSED) {
        schedule_next(simulation);
        return;
    }
    for (unsigned i = 0; i < simulation->options.open_count; i++) {
        open_one(simulation);
    }
}
