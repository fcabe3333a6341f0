/* SPDX-License-Identifier: MIT */
/*
 * What must hold. In every state: no connection is handed out twice, and no client is turned away
 * without a reason: nobody has closed a listener, let a claim's time pass, or died, but for CMs. In
 * every quiet state, in which no message is under way and nothing is left to learn, but timers may
 * be running:
 *
 *   lost        each connection is somebody's: its application's stream, an application's that has
 *               been told of it, a living CM's queue, or TCP's alone
 *   for ever    nobody waits for a connection while one waits for somebody; and a connection that
 *               waits has a timer running
 *   told        who has a connection that has ended knows it; nobody else keeps it
 *   granted     what is claimed in advance (grants.c)
 *   forgotten   who waits in accept() is on the list of his CM, and who is on a list listens
 *   bytes       who has a connection has what its client has sent
 *   counted     a CM counts as open at its applications what the TSs have from it, and nothing else
 *   offered     what a CM believes that others offer is what they offer, and who offers has
 * somebody
 */
#include <stdio.h>

#include "net/configuration.h"
#include "net/streams/table.h"
#include "net/transport/state.h"
#include "tests/proof/machine.h"

static char text[200];

#define FAULT(...) (snprintf(text, sizeof(text), __VA_ARGS__), text)

static bool has_role(const struct machine *machine, unsigned node, enum role role)
{
    return node < proof_node_count && machine_lives(machine, node) &&
           (machine_view(machine, node)->roles & role) != 0;
}

/* --- In every state --- */

static const char *judge_owners(const struct machine *machine)
{
    uint8_t taken = machine->taken_by_dead;

    for (unsigned node = 0; node < proof_node_count; node++) {
        uint8_t here;

        if (!machine_lives(machine, node)) {
            continue;
        }
        here = machine_view(machine, node)->taken;
        if ((taken & here) != 0) {
            return FAULT("client %u's connection is handed out twice", __builtin_ctz(taken & here));
        }
        taken |= here;
    }
    return NULL;
}

/* Whether something has happened for which a client may be turned away. */
static bool has_reason(const struct machine *machine)
{
    const struct scenario *scenario = machine_scenario();
    unsigned backlog = 0;

    for (unsigned node = 0; node < proof_node_count; node++) {
        if (!machine_lives(machine, node)) {
            if ((scenario->mortal_roles & ~ROLE_CM) != 0) {
                return true;
            }
        } else if (has_role(machine, node, ROLE_APPLICATION)) {
            backlog += scenario->backlog;
        }
        if (machine->unlistens[node] != 0) {
            return true;
        }
    }
    return scenario->is_from_scratch || machine->timers_left != scenario->timer_max ||
           backlog < scenario->client_count;
}

static const char *judge_clients(const struct machine *machine)
{
    for (unsigned client = 0; client < machine_scenario()->client_count; client++) {
        unsigned ts = machine_ts_of(client);
        uint8_t state = machine_lives(machine, ts) ? machine_view(machine, ts)->clients[client]
                                                   : (uint8_t)CLIENT_UNKNOWN;

        if ((state == CLIENT_REFUSED || state == CLIENT_RESET) && !has_reason(machine)) {
            return FAULT("client %u is turned away without a reason", client);
        }
    }
    return NULL;
}

/* --- In quiet states --- */

/* The application's stream for that connection; NULL: none. It may have an older one, too, which it
 * will claim in vain. */
static const struct seen_stream *stream_of(const struct machine *machine, unsigned ts,
                                           const struct seen_connection *connection)
{
    const struct node_view *view;

    if (!has_role(machine, connection->acceptor.node, ROLE_APPLICATION)) {
        return NULL;
    }
    view = machine_view(machine, connection->acceptor.node);
    for (unsigned i = 0; i < view->stream_count; i++) {
        const struct seen_stream *stream = &view->streams[i];

        if (stream->ts == ts && stream->index == connection->index &&
            stream->generation == connection->generation &&
            stream->availability_number == connection->availability_number && !stream->is_gone) {
            return stream;
        }
    }
    return NULL;
}

/* In how many living CMs' queues it is, and in whose. */
static unsigned queues_of(const struct machine *machine, unsigned ts,
                          const struct seen_connection *connection, unsigned *cm)
{
    unsigned count = 0;

    for (unsigned node = 0; node < proof_node_count; node++) {
        if (!has_role(machine, node, ROLE_CM)) {
            continue;
        }
        for (unsigned i = 0; i < machine_view(machine, node)->waiting_count; i++) {
            const struct seen_waiting *waiting = &machine_view(machine, node)->waiting[i];

            if (waiting->ts == ts && waiting->index == connection->index &&
                waiting->generation == connection->generation) {
                *cm = node;
                count++;
            }
        }
    }
    return count;
}

static const char *judge_waiting(const struct machine *machine, unsigned ts,
                                 const struct seen_connection *connection)
{
    unsigned cm = 0;

    if (queues_of(machine, ts, connection, &cm) != 1) {
        return FAULT("client %u's connection is lost: it waits in the queues of %u CMs",
                     connection->client, queues_of(machine, ts, connection, &cm));
    }
    for (unsigned node = 0; node < proof_node_count; node++) {
        if (has_role(machine, node, ROLE_APPLICATION) && machine_view(machine, node)->is_waiting) {
            return FAULT("client %u's connection waits at node %u, and node %u waits in accept()",
                         connection->client, cm, node);
        }
    }
    return NULL;
}

/* Whether an application that has been told of it has it, and has not taken it. */
static bool is_untaken(const struct seen_connection *connection, const struct seen_stream *stream)
{
    if (stream == NULL) {
        return false;
    }
    return connection->acceptor.grant == GRANT_NONE
               ? stream->state == STREAM_AVAILABLE
               : stream->state == STREAM_READY && stream->is_claim_due;
}

/* Of one that has ended without it an application must be told only if it may have taken it. */
static bool is_kept_in_vain(const struct machine *machine, unsigned ts,
                            const struct seen_connection *connection)
{
    return machine_view(machine, ts)->clients[connection->client] > CLIENT_OPEN &&
           (connection->state != CONNECTION_ANNOUNCED || connection->acceptor.grant == GRANT_NONE);
}

static const char *judge_connection(const struct machine *machine, unsigned ts,
                                    const struct seen_connection *connection)
{
    const struct seen_stream *stream = stream_of(machine, ts, connection);
    unsigned client = connection->client;
    const struct node_view *application;

    if (is_kept_in_vain(machine, ts, connection)) {
        return FAULT("client %u's connection is over, and is kept", client);
    }
    if (connection->state == SEEN_HALF_OPEN) {
        return NULL;
    }
    switch ((enum connection_state)connection->state) {
    case CONNECTION_ANNOUNCED:
        application = machine_view(machine, connection->acceptor.node);
        if (!is_untaken(connection, stream)) {
            return FAULT("client %u's connection is lost: node %u has been told of it and does "
                         "not have it",
                         client, connection->acceptor.node);
        }
        if (application->is_waiting) {
            return FAULT("node %u waits in accept() and does not claim client %u's connection",
                         connection->acceptor.node, client);
        }
        break;
    case CONNECTION_WAITING:
        if (judge_waiting(machine, ts, connection) != NULL) {
            return text;
        }
        break;
    case CONNECTION_CLAIMED:
        if (stream == NULL || stream->state < STREAM_DEFERRED) {
            return FAULT("client %u's connection is lost: node %u has claimed it and does not "
                         "have it",
                         client, connection->acceptor.node);
        }
        if (stream->received_bytes != (machine_view(machine, ts)->sent >> client & 1u)) {
            return FAULT("node %u has %u bytes of client %u", connection->acceptor.node,
                         stream->received_bytes, client);
        }
        if (machine_view(machine, connection->acceptor.node)->is_waiting &&
            stream->state == STREAM_READY) {
            return FAULT("node %u waits in accept() and does not take client %u's connection",
                         connection->acceptor.node, client);
        }
        return NULL;
    case CONNECTION_ASSIGNED: /* or without room in the channel of an application that is dead */
        if (connection->is_awaiting_data) {
            break;
        }
        /* fall through */
    default:
        return FAULT("client %u's connection is left in state %u", client, connection->state);
    }
    if (!connection->has_deadline || !machine_view(machine, ts)->has_timer) {
        return FAULT("client %u's connection waits without a timer", client);
    }
    return NULL;
}

static bool is_known(const struct machine *machine, unsigned node, const struct seen_stream *stream)
{
    const struct node_view *ts = machine_view(machine, stream->ts);

    for (unsigned i = 0; ts != NULL && i < ts->connection_count; i++) {
        const struct seen_connection *connection = &ts->connections[i];

        if (connection->index == stream->index && connection->generation == stream->generation) {
            return connection->acceptor.node == node &&
                   (connection->state == CONNECTION_ANNOUNCED ||
                    connection->state == CONNECTION_CLAIMED);
        }
    }
    return false;
}

/* Streams that no TS knows. */
static const char *judge_streams(const struct machine *machine, unsigned node)
{
    const struct node_view *view = machine_view(machine, node);

    for (unsigned i = 0; i < view->stream_count; i++) {
        const struct seen_stream *stream = &view->streams[i];

        if (stream->state == STREAM_CLAIMED) {
            return FAULT("node %u's claim of client %u's connection is never answered", node,
                         stream->client);
        }
        if (stream->state > STREAM_CLAIMED && !stream->is_gone &&
            !is_known(machine, node, stream)) {
            return FAULT("node %u is never told that client %u's connection is over", node,
                         stream->client);
        }
    }
    return NULL;
}

static const char *judge_acceptor(const struct machine *machine, unsigned node)
{
    const struct node_view *view = machine_view(machine, node);
    const struct node_view *manager;

    if (!view->is_waiting || !has_role(machine, view->own_cm, ROLE_CM)) {
        return NULL;
    }
    manager = machine_view(machine, view->own_cm);
    for (unsigned i = 0; i < manager->application_count; i++) {
        if (manager->applications[i].node == node && manager->applications[i].is_accepting) {
            return NULL;
        }
    }
    return FAULT("node %u waits in accept() and is forgotten: it is not on node %u's list", node,
                 view->own_cm);
}

/* Connections of that TS with this application's listener as acceptor, by this CM's choice. */
static unsigned open_connections(const struct machine *machine, unsigned ts, unsigned cm,
                                 const struct seen_application *application)
{
    const struct node_view *view = machine_view(machine, ts);
    unsigned count = 0;

    for (unsigned i = 0; i < view->connection_count; i++) {
        const struct acceptor *acceptor = &view->connections[i].acceptor;

        count += acceptor->node == application->node && acceptor->cm == cm &&
                 acceptor->assigned_by == cm &&
                 acceptor->listener_index == application->listener_index;
    }
    return count;
}

static const char *judge_counts(const struct machine *machine, unsigned cm,
                                const struct seen_application *application)
{
    /* Who listens again begins anew, and what it has from before is not counted any more. */
    bool is_exact = machine->listens[application->node] <= 1;
    unsigned total = 0;

    for (unsigned ts = 0; ts < proof_node_count; ts++) {
        unsigned expected =
            has_role(machine, ts, ROLE_TS) ? open_connections(machine, ts, cm, application) : 0;
        unsigned counted = application->outstanding_by_ts[ts];

        if (counted > expected || (is_exact && counted != expected)) {
            return FAULT("node %u counts %u connections of node %u open at node %u: there are %u",
                         cm, counted, ts, application->node, expected);
        }
        total += counted;
    }
    if (total != application->outstanding) {
        return FAULT("node %u counts %u connections open at node %u, and %u by TSs", cm,
                     application->outstanding, application->node, total);
    }
    return NULL;
}

static const char *judge_applications(const struct machine *machine, unsigned cm)
{
    const struct node_view *view = machine_view(machine, cm);

    for (unsigned i = 0; i < view->application_count; i++) {
        const struct seen_application *application = &view->applications[i];

        if (!has_role(machine, application->node, ROLE_APPLICATION) ||
            !machine_view(machine, application->node)->is_listening) {
            return FAULT("node %u has node %u on its lists, which does not listen", cm,
                         application->node);
        }
        if (judge_counts(machine, cm, application) != NULL) {
            return text;
        }
    }
    return NULL;
}

static const char *judge_offers(const struct machine *machine, unsigned cm)
{
    for (unsigned other = 0; other < proof_node_count; other++) {
        const struct node_view *view = machine_view(machine, cm);
        bool is_offered = (view->offering >> other & 1) != 0;
        node_id_t published;

        if (other == cm) {
            continue;
        }
        published =
            has_role(machine, other, ROLE_CM) ? machine_view(machine, other)->published : NODE_NONE;
        if (is_offered != (published != NODE_NONE) ||
            (is_offered && view->offered[other] != published)) {
            return FAULT("node %u does not know what node %u offers", cm, other);
        }
    }
    return NULL;
}

/* Who is offered must accept. */
static const char *judge_published(const struct machine *machine, unsigned cm)
{
    const struct node_view *view = machine_view(machine, cm);

    for (unsigned i = 0; i < view->application_count; i++) {
        if (view->applications[i].node == view->published && view->applications[i].is_accepting) {
            return NULL;
        }
    }
    return view->published == NODE_NONE
               ? NULL
               : FAULT("node %u offers node %u, which does not accept", cm, view->published);
}

/* Of a dead TS nothing may wait. */
static const char *judge_queue(const struct machine *machine, unsigned cm)
{
    const struct node_view *view = machine_view(machine, cm);

    for (unsigned i = 0; i < view->waiting_count; i++) {
        if (!has_role(machine, view->waiting[i].ts, ROLE_TS)) {
            return FAULT("a connection of node %u, which is dead, waits at node %u",
                         view->waiting[i].ts, cm);
        }
    }
    return NULL;
}

static const char *judge_manager(const struct machine *machine, unsigned cm)
{
    const char *fault = judge_applications(machine, cm);

    fault = fault != NULL ? fault : judge_offers(machine, cm);
    fault = fault != NULL ? fault : judge_published(machine, cm);
    fault = fault != NULL ? fault : judge_queue(machine, cm);
    return fault != NULL ? fault : machine_judge_grants(machine, cm);
}

static const char *judge_quiet_node(const struct machine *machine, unsigned node)
{
    const struct node_view *view = machine_view(machine, node);
    const char *fault = NULL;

    for (unsigned i = 0; i < view->connection_count && fault == NULL; i++) {
        fault = judge_connection(machine, node, &view->connections[i]);
    }
    if (fault == NULL && has_role(machine, node, ROLE_APPLICATION)) {
        fault = judge_streams(machine, node);
    }
    if (fault == NULL && has_role(machine, node, ROLE_CM)) {
        fault = judge_manager(machine, node);
    }
    return fault;
}

const char *machine_judge(const struct machine *machine)
{
    const char *fault = judge_owners(machine);

    fault = fault != NULL ? fault : judge_clients(machine);
    if (fault != NULL || !machine_is_quiet(machine)) {
        return fault;
    }
    for (unsigned node = 0; node < proof_node_count && fault == NULL; node++) {
        if (has_role(machine, node, ROLE_APPLICATION)) {
            fault = judge_acceptor(machine, node);
        }
    }
    for (unsigned node = 0; node < proof_node_count && fault == NULL; node++) {
        if (machine_lives(machine, node)) {
            fault = judge_quiet_node(machine, node);
        }
    }
    return fault;
}
