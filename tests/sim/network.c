/* SPDX-License-Identifier: MIT */
/*
 * A processor does one thing after the other, in the order in which they come to it. What a message
 * costs, sender and receiver pay each.
 */
#include "tests/sim/network.h"

#include <stdlib.h>

#include "kernel/platform.h"
#include "tests/sim/simulation.h"

/* So much more work for the node: returns when it is done. */
static uint64_t work(struct simulation *simulation, node_id_t node, uint64_t cost_ns)
{
    uint64_t now_ns = simulation_now_ns(simulation);
    uint64_t *busy_until_ns = &simulation->network.busy_until_ns[node];

    if (cost_ns == 0) {
        return now_ns; /* and not when it has done what else it has: costs are all or none */
    }
    *busy_until_ns = (*busy_until_ns > now_ns ? *busy_until_ns : now_ns) + cost_ns;
    return *busy_until_ns;
}

static unsigned socket_of(const struct simulation *simulation, node_id_t node)
{
    unsigned server = node % simulation->options.server_count; /* a web server is beside its own */

    return server / simulation->options.costs.servers_per_socket;
}

static uint64_t message_cost_ns(const struct simulation *simulation, node_id_t from, node_id_t to)
{
    const struct costs *costs = &simulation->options.costs;

    if (costs->far_message_ns == 0) {
        return 0;
    }
    return socket_of(simulation, from) == socket_of(simulation, to) ? costs->near_message_ns
                                                                    : costs->far_message_ns;
}

/* A message whose receiver's processor has to be asked when it gets to it. */
struct letter {
    event_function happen;
    uint32_t subject;
    uint64_t detail;
    uint64_t cost_ns;
    node_id_t to;
    uint32_t next_free;
};

#define LETTER_NONE UINT32_MAX

static uint32_t take_letter(struct network *network)
{
    uint32_t index = network->first_free;

    if (index != LETTER_NONE) {
        network->first_free = network->letters[index].next_free;
        return index;
    }
    if (network->letter_count == network->capacity) {
        network->capacity = network->capacity == 0 ? 256 : 2 * network->capacity;
        network->letters = realloc(network->letters, network->capacity * sizeof(*network->letters));
        ASSERT(network->letters != NULL);
    }
    return network->letter_count++;
}

static void arrive(void *context, uint32_t index, uint64_t unused)
{
    struct simulation *simulation = context;
    struct network *network = &simulation->network;
    const struct letter letter = network->letters[index];

    (void)unused;
    network->letters[index].next_free = network->first_free;
    network->first_free = index;
    events_schedule(&simulation->events, work(simulation, letter.to, letter.cost_ns), letter.happen,
                    simulation, letter.subject, letter.detail);
}

void network_send(struct simulation *simulation, node_id_t from, node_id_t to,
                  event_function happen, uint32_t subject, uint64_t detail)
{
    uint64_t cost_ns = from == to ? 0 : message_cost_ns(simulation, from, to);
    uint64_t way_ns = from == to ? 0 : simulation->options.message_ns;
    uint64_t leaves_ns = simulation_now_ns(simulation) + cost_ns;
    uint32_t index;

    if (cost_ns == 0) {
        events_schedule(&simulation->events, leaves_ns + way_ns, happen, simulation, subject,
                        detail);
        return;
    }
    (void)work(simulation, from, cost_ns);
    index = take_letter(&simulation->network);
    simulation->network.letters[index] = (struct letter){
        .happen = happen,
        .subject = subject,
        .detail = detail,
        .cost_ns = cost_ns,
        .to = to,
    };
    events_schedule(&simulation->events, leaves_ns + way_ns, arrive, simulation, index, 0);
}

void network_post(struct simulation *simulation, node_id_t from, node_id_t to,
                  event_function happen, uint32_t subject)
{
    uint64_t way_ns = from == to ? 0 : simulation->options.message_ns;

    events_schedule(&simulation->events, simulation_now_ns(simulation) + way_ns, happen, simulation,
                    subject, 0);
}

void network_receive(struct simulation *simulation, node_id_t node, uint64_t cost_ns,
                     event_function happen, uint32_t subject)
{
    events_schedule(&simulation->events, work(simulation, node, cost_ns), happen, simulation,
                    subject, 0);
}

void network_start(struct simulation *simulation)
{
    struct network *network = &simulation->network;

    network->first_free = LETTER_NONE;
    network->busy_until_ns =
        calloc(simulation->configuration.node_count, sizeof(*network->busy_until_ns));
    ASSERT(network->busy_until_ns != NULL);
}

void network_release(struct network *network)
{
    free(network->letters);
    free(network->busy_until_ns);
}
