/* SPDX-License-Identifier: MIT */
/*
 * A run from its beginning to its end.
 */
#include "tests/sim/simulation.h"

#include <stdio.h>
#include <stdlib.h>

#include "kernel/platform.h"
#include "tests/sim/clients.h"

/* Whoever has not been served so long after the clients' end waits for ever: a connection is lost.
 */
#define DRAIN_MAX_NS (1000 * NS_PER_S)

static void configure(struct simulation *simulation)
{
    unsigned count = simulation->options.server_count;
    char line[80], reason[160];
    int error;

    (void)snprintf(line, sizeof(line), "pika=TS%uLS%uCM%u app=httpd:%u", count, count, count,
                   count);
    error =
        configuration_parse(&simulation->configuration, line, 2 * count, reason, sizeof(reason));
    if (error != 0) {
        PANIC("%s", reason);
    }
}

static void seed(struct simulation *simulation)
{
    struct random seeds;

    random_seed(&seeds, simulation->options.seed);
    random_seed(&simulation->arrivals, random_next(&seeds));
    random_seed(&simulation->services, random_next(&seeds));
    random_seed(&simulation->servers, random_next(&seeds));
}

static void observe(void *context, uint32_t number, uint64_t unused)
{
    struct simulation *simulation = context;
    const struct simulation_options *options = &simulation->options;
    uint64_t next_ns = simulation_now_ns(simulation) + options->observe_ns;

    (void)unused;
    options->observe(simulation, options->observe_context);
    if (next_ns < options->duration_ns) {
        events_schedule(&simulation->events, next_ns, observe, simulation, number, 0);
    }
}

/* CMs may go on telling each other for ever: it ends with the last connection. */
static void run(struct simulation *simulation)
{
    uint64_t end_ns = simulation->options.duration_ns + DRAIN_MAX_NS;

    while (!clients_are_done(simulation) || simulation->statistics.in_system.count > 0) {
        if (!events_run_next(&simulation->events)) {
            break;
        }
        ASSERT(simulation_now_ns(simulation) < end_ns);
    }
}

struct simulation *simulation_run(const struct simulation_options *options)
{
    struct simulation *simulation = calloc(1, sizeof(*simulation));

    ASSERT(simulation != NULL);
    simulation->options = *options;
    if (simulation->options.costs.servers_per_socket == 0) {
        simulation->options.costs.servers_per_socket = options->server_count;
    }
    configure(simulation);
    seed(simulation);
    network_start(simulation);
    connections_start(simulation);
    if (options->balance != NULL) {
        managers_start(simulation);
    }
    applications_start(simulation);
    clients_start(simulation);
    if (options->observe != NULL) {
        events_schedule(&simulation->events, 0, observe, simulation, 0, 0);
    }
    run(simulation);
    statistics_check(&simulation->statistics);
    return simulation;
}

void simulation_release(struct simulation *simulation)
{
    struct shared_queue *queue = &simulation->shared_queue;

    managers_release(&simulation->managers);
    applications_release(simulation);
    connections_release(&simulation->connections);
    network_release(&simulation->network);
    statistics_release(&simulation->statistics);
    events_release(&simulation->events);
    fifo_release(&queue->connections);
    fifo_release(&queue->idle);
    free(simulation);
}
