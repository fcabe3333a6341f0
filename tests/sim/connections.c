/* SPDX-License-Identifier: MIT */
/*
 * See connections.h.
 */
#include "tests/sim/connections.h"
#include "net/closed.h"

#include <stdlib.h>

#include "kernel/platform.h"
#include "tests/sim/clients.h"
#include "tests/sim/shared_queue.h"
#include "tests/sim/simulation.h"

#define INDEX_NONE UINT32_MAX

struct connection *connection_at(struct simulation *simulation, uint32_t index)
{
    ASSERT(index < simulation->connections.count);
    ASSERT(simulation->connections.connections[index].state != CONNECTION_FREE);
    return &simulation->connections.connections[index];
}

node_id_t connections_ts(const struct simulation *simulation, uint32_t index)
{
    ASSERT(index < simulation->connections.count);
    return simulation->connections.connections[index].ts;
}

static uint32_t index_of(const struct simulation *simulation, const struct connection *connection)
{
    return (uint32_t)(connection - simulation->connections.connections);
}

static struct connection *allocate(struct connection_table *table)
{
    struct connection *connection;

    if (table->first_free != INDEX_NONE) {
        connection = &table->connections[table->first_free];
        table->first_free = connection->next_free;
    } else {
        if (table->count == table->capacity) {
            table->capacity = table->capacity == 0 ? 1024 : 2 * table->capacity;
            table->connections =
                realloc(table->connections, table->capacity * sizeof(*table->connections));
            ASSERT(table->connections != NULL);
        }
        connection = &table->connections[table->count++];
        connection->generation = 0;
    }
    *connection = (struct connection){.generation = connection->generation + 1};
    return connection;
}

static void end(struct simulation *simulation, struct connection *connection)
{
    struct connection_table *table = &simulation->connections;

    account_leave(&simulation->statistics.in_system, simulation_now_ns(simulation),
                  connection->syn_ns);
    connection->state = CONNECTION_FREE;
    connection->next_free = table->first_free;
    table->first_free = index_of(simulation, connection);
    clients_connection_ended(simulation);
}

static void refuse(struct simulation *simulation, struct connection *connection)
{
    simulation->statistics.refused++;
    end(simulation, connection);
}

/* --- To the CMs --- */

static void ask_again(struct simulation *simulation, struct connection *connection)
{
    struct accept_timeout message = {
        .connection_index = index_of(simulation, connection),
        .generation = connection->generation,
        .acceptor = connection->acceptor,
        .port = SIMULATION_PORT,
    };
    node_id_t cm = connection->acceptor.node == NODE_NONE ? connection->acceptor.assigned_by
                                                          : connection->acceptor.cm;

    connection->state = CONNECTION_WAITING;
    connection->acceptor.node = NODE_NONE;
    managers_send(simulation, connection->ts, cm, ACCEPT_TIMEOUT, &message, sizeof(message));
}

static void report_closed(struct simulation *simulation, const struct connection *connection)
{
    struct connection_closed message = {
        .closed = {closed_connection_of(&connection->acceptor, SIMULATION_PORT,
                                        simulation_now_ns(simulation) - connection->available_ns)},
    };

    managers_send(simulation, connection->ts, connection->acceptor.cm, CONNECTION_CLOSED, &message,
                  sizeof(message));
}

/* --- Offered to an application --- */

static unsigned application_of(const struct simulation *simulation, const struct acceptor *acceptor)
{
    ASSERT(acceptor->node >= application_node(simulation, 0));
    return acceptor->node - application_node(simulation, 0);
}

/* Else it has been claimed or declined, or its place in the table is another connection's. */
static bool is_undecided(const struct connection *connection, uint64_t word)
{
    return connection->state == CONNECTION_ANNOUNCED &&
           connection->availability_number == availability_number_of(word);
}

static void expire_claim(void *context, uint32_t index, uint64_t word)
{
    struct simulation *simulation = context;
    struct connection *connection = &simulation->connections.connections[index];

    if (is_undecided(connection, word)) {
        simulation->connections.claim_timeouts++;
        ask_again(simulation, connection);
    }
}

/* Its handshake is complete, and there is an acceptor or there is none. */
static void announce(struct simulation *simulation, struct connection *connection)
{
    uint32_t index = index_of(simulation, connection);
    uint64_t now_ns = simulation_now_ns(simulation);
    uint64_t word;

    ASSERT(connection->state == CONNECTION_ASSIGNED);
    if (connection->acceptor.node == NODE_NONE) {
        ask_again(simulation, connection);
        return;
    }
    connection->state = CONNECTION_ANNOUNCED;
    connection->availability_number = simulation->connections.availability_count++;
    connection->available_ns = now_ns;
    if (connection->first_available_ns == 0) {
        connection->first_available_ns = now_ns;
    }
    word = availability_word(connection->availability_number,
                             application_of(simulation, &connection->acceptor));
    network_send(simulation, connection->ts, connection->acceptor.node,
                 application_handle_available, index, word);
    events_schedule(&simulation->events, now_ns + simulation->options.claim_timeout_ns,
                    expire_claim, simulation, index, word);
}

static void complete_handshake(void *context, uint32_t index, uint64_t unused)
{
    struct simulation *simulation = context;
    struct connection *connection = connection_at(simulation, index);

    (void)unused;
    ASSERT(connection->state == CONNECTION_HALF_OPEN);
    connection->state = CONNECTION_ASSIGNED;
    if (simulation->options.balance == NULL) {
        connection->available_ns = connection->first_available_ns = simulation_now_ns(simulation);
        connection->state = CONNECTION_CLAIMED;
        shared_queue_put(simulation, index);
        return;
    }
    announce(simulation, connection);
}

/* --- From clients --- */

static void receive_syn(void *context, uint32_t index, uint64_t unused)
{
    struct simulation *simulation = context;
    struct connection *connection = connection_at(simulation, index);
    /* The flow comes back with ASSIGN_CONNECTION, and tells which connection is meant. */
    struct syn_arrived message = {
        .flow = {.remote_address = index, .local_port = __builtin_bswap16(SIMULATION_PORT)},
    };

    (void)unused;
    if (simulation->options.balance == NULL) {
        connection_assign(simulation, index, NULL, false);
        return;
    }
    managers_send(simulation, connection->ts,
                  configuration_own_cm(&simulation->configuration, connection->ts), SYN_ARRIVED,
                  &message, sizeof(message));
}

void connection_open(struct simulation *simulation, node_id_t ts)
{
    struct connection *connection = allocate(&simulation->connections);

    connection->state = CONNECTION_HALF_OPEN;
    connection->ts = ts;
    connection->syn_ns = simulation_now_ns(simulation);
    simulation->statistics.arrived++;
    account_enter(&simulation->statistics.in_system, connection->syn_ns);
    network_receive(simulation, ts, simulation->options.costs.connection_ns, receive_syn,
                    index_of(simulation, connection));
}

/* --- From CMs --- */

void connection_assign(struct simulation *simulation, uint32_t index,
                       const struct acceptor *acceptor, bool is_refused)
{
    struct connection *connection = connection_at(simulation, index);
    uint64_t complete_ns = connection->syn_ns + simulation->options.handshake_ns;
    uint64_t now_ns = simulation_now_ns(simulation);

    ASSERT(connection->state == CONNECTION_HALF_OPEN);
    if (is_refused) {
        refuse(simulation, connection);
        return;
    }
    if (acceptor != NULL) {
        connection->acceptor = *acceptor;
    }
    events_schedule(&simulation->events, complete_ns > now_ns ? complete_ns : now_ns,
                    complete_handshake, simulation, index, 0);
}

void connection_reassign(struct simulation *simulation, uint32_t index, uint32_t generation,
                         const struct acceptor *acceptor, bool is_refused)
{
    struct connection *connection = connection_at(simulation, index);

    ASSERT(connection->generation == generation); /* none ends while it waits */
    ASSERT(connection->state == CONNECTION_WAITING);
    if (is_refused) {
        refuse(simulation, connection);
        return;
    }
    connection->acceptor = *acceptor;
    connection->state = CONNECTION_ASSIGNED;
    announce(simulation, connection);
}

/* --- From web servers --- */

void connection_handle_claim(void *context, uint32_t index, uint64_t word)
{
    struct simulation *simulation = context;
    struct connection *connection = &simulation->connections.connections[index];
    node_id_t to = application_node(simulation, availability_application_of(word));

    if (is_undecided(connection, word)) {
        connection->state = CONNECTION_CLAIMED;
        network_send(simulation, connection->ts, to, application_handle_confirmed, index, word);
    } else {
        network_send(simulation, connection->ts, to, application_handle_rejected, index, word);
    }
}

void connection_handle_decline(void *context, uint32_t index, uint64_t word)
{
    struct simulation *simulation = context;
    struct connection *connection = &simulation->connections.connections[index];

    if (is_undecided(connection, word)) {
        simulation->connections.declines++;
        ask_again(simulation, connection);
    }
}

void connection_handle_close(void *context, uint32_t index, uint64_t word)
{
    struct simulation *simulation = context;
    struct connection *connection = connection_at(simulation, index);
    uint64_t now_ns = simulation_now_ns(simulation);

    ASSERT(connection->state == CONNECTION_CLAIMED);
    ASSERT(connection->availability_number == availability_number_of(word));
    statistics_add_record(
        &simulation->statistics,
        &(struct record){
            .available_ns = connection->first_available_ns,
            .service_ns = now_ns - connection->first_available_ns,
            .wait_ns = connection->begun_ns - connection->first_available_ns,
            .application = (uint16_t)availability_application_of(word),
            .is_local = connection->acceptor.cm == connection->acceptor.assigned_by,
        });
    simulation->statistics.served++;
    if (simulation->options.balance != NULL) {
        report_closed(simulation, connection);
    }
    end(simulation, connection);
}

/* --- The table --- */

void connections_start(struct simulation *simulation)
{
    simulation->connections.first_free = INDEX_NONE;
}

void connections_release(struct connection_table *table)
{
    free(table->connections);
}
