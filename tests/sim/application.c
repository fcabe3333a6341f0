/* SPDX-License-Identifier: MIT */
/*
 * See application.h. With one shared accept queue a web server has neither CM nor list: it stands
 * among the idle ones, or serves.
 */
#include "tests/sim/application.h"

#include <stdlib.h>

#include "kernel/platform.h"
#include "tests/sim/shared_queue.h"
#include "tests/sim/simulation.h"

static void ask_for_connections(struct simulation *simulation, unsigned index)
{
    struct application *application = &simulation->applications[index];
    struct accept_connection message = {
        .port = SIMULATION_PORT,
        .request_number = ++application->request_number,
    };

    ASSERT(!application->is_on_list);
    application->is_on_list = true;
    managers_send(simulation, application_node(simulation, index), application->cm,
                  ACCEPT_CONNECTION, &message, sizeof(message));
}

static void claim_all(struct simulation *simulation, unsigned index)
{
    struct application *application = &simulation->applications[index];

    while (fifo_count(&application->available) > 0) {
        struct fifo_entry next = fifo_take(&application->available);

        network_send(simulation, application_node(simulation, index),
                     connections_ts(simulation, next.index), connection_handle_claim, next.index,
                     next.word);
    }
}

/* It calls accept(): takes what is ready, or waits. */
static void accept_next(struct simulation *simulation, unsigned index)
{
    struct application *application = &simulation->applications[index];

    ASSERT(!application->is_busy);
    if (!application->is_on_list) {
        ask_for_connections(simulation, index);
    }
    claim_all(simulation, index);
    if (fifo_count(&application->ready) > 0) {
        uint32_t connection = fifo_take(&application->ready).index;

        if (application->has_declined) {
            application->has_declined = false; /* there is room again */
            application->is_on_list = false;
        }
        application_serve(simulation, index, connection);
    }
}

static void wake(struct simulation *simulation, unsigned index)
{
    if (!simulation->applications[index].is_busy) {
        accept_next(simulation, index);
    }
}

/* --- Serving --- */

static uint64_t disturbance_ns(const struct simulation *simulation, unsigned application)
{
    uint64_t now_ns = simulation_now_ns(simulation);
    uint64_t extra_ns = 0;

    for (size_t i = 0; i < simulation->options.disturbance_count; i++) {
        const struct disturbance *disturbance = &simulation->options.disturbances[i];

        if (disturbance->application == application && disturbance->from_ns <= now_ns &&
            now_ns < disturbance->to_ns) {
            extra_ns += disturbance->extra_ns;
        }
    }
    return extra_ns;
}

static void end_service(void *context, uint32_t connection, uint64_t index)
{
    struct simulation *simulation = context;
    struct application *application = &simulation->applications[index];

    ASSERT(application->is_busy);
    application->is_busy = false;
    application->served++;
    account_leave(&simulation->statistics.in_service, simulation_now_ns(simulation),
                  connection_at(simulation, connection)->begun_ns);
    network_send(simulation, application_node(simulation, (unsigned)index),
                 connections_ts(simulation, connection), connection_handle_close, connection,
                 availability_word(connection_at(simulation, connection)->availability_number,
                                   (unsigned)index));
    if (simulation->options.balance == NULL) {
        shared_queue_accept(simulation, (unsigned)index);
    } else {
        accept_next(simulation, (unsigned)index);
    }
}

void application_serve(struct simulation *simulation, unsigned index, uint32_t connection)
{
    struct application *application = &simulation->applications[index];
    uint64_t now_ns = simulation_now_ns(simulation);
    double service_ns = distribution_sample_ns(&simulation->options.service, &simulation->services);

    ASSERT(!application->is_busy);
    application->is_busy = true;
    connection_at(simulation, connection)->begun_ns = now_ns;
    account_enter(&simulation->statistics.in_service, now_ns);
    events_schedule(&simulation->events,
                    now_ns + (uint64_t)service_ns + disturbance_ns(simulation, index), end_service,
                    simulation, connection, index);
}

/* --- From TSs --- */

void application_handle_available(void *context, uint32_t connection, uint64_t word)
{
    struct simulation *simulation = context;
    unsigned index = availability_application_of(word);
    struct application *application = &simulation->applications[index];

    if (application->undecided_count + fifo_count(&application->ready) >=
        simulation->options.backlog) {
        application->has_declined = true;
        network_send(simulation, application_node(simulation, index),
                     connections_ts(simulation, connection), connection_handle_decline, connection,
                     word);
        return;
    }
    application->undecided_count++;
    fifo_put(&application->available, (struct fifo_entry){.index = connection, .word = word});
    wake(simulation, index);
}

/* One that was available is ours, or another's. */
static void end_undecided(struct application *application)
{
    ASSERT(application->undecided_count > 0);
    application->undecided_count--;
}

void application_handle_confirmed(void *context, uint32_t connection, uint64_t word)
{
    struct simulation *simulation = context;
    unsigned index = availability_application_of(word);

    end_undecided(&simulation->applications[index]);
    fifo_put(&simulation->applications[index].ready,
             (struct fifo_entry){.index = connection, .word = word});
    wake(simulation, index);
}

void application_handle_rejected(void *context, uint32_t connection, uint64_t word)
{
    struct simulation *simulation = context;
    unsigned index = availability_application_of(word);

    (void)connection;
    end_undecided(&simulation->applications[index]);
    simulation->applications[index].is_on_list = false;
    simulation->applications[index].has_declined = false;
    wake(simulation, index);
}

/* --- The machine's --- */

/* A real one tells all CMs; but what the others learn by it is how many connections may wait with
 * them, and with 1,024 of both it is a million messages. */
static void listen_at_own_cm(struct simulation *simulation, unsigned index)
{
    struct listen message = {.port = SIMULATION_PORT, .backlog = simulation->options.backlog};

    managers_send(simulation, application_node(simulation, index),
                  simulation->applications[index].cm, LISTEN, &message, sizeof(message));
}

void applications_start(struct simulation *simulation)
{
    unsigned count = simulation->options.server_count;

    simulation->applications = calloc(count, sizeof(*simulation->applications));
    ASSERT(simulation->applications != NULL);
    for (unsigned i = 0; i < count; i++) {
        node_id_t node = application_node(simulation, i);

        simulation->applications[i].cm = configuration_own_cm(&simulation->configuration, node);
        if (simulation->options.balance == NULL) {
            shared_queue_accept(simulation, i);
        } else {
            listen_at_own_cm(simulation, i);
            accept_next(simulation, i);
        }
    }
}

void applications_release(struct simulation *simulation)
{
    for (unsigned i = 0; i < simulation->options.server_count; i++) {
        fifo_release(&simulation->applications[i].available);
        fifo_release(&simulation->applications[i].ready);
    }
    free(simulation->applications);
}
