/* SPDX-License-Identifier: MIT */
/*
 * The CM's message handlers (PIKA 3.2). A connection is assigned when its SYN comes, on the word
 * of applications that said they would accept; when that proves wrong, the TS tells us and we
 * assign again, or let the connection wait until somebody accepts.
 */
#include "net/manager/manager.h"

#include <errno.h>
#include <string.h>

#include "kernel/log.h"
#include "kernel/platform.h"
#include "libc/core/bytes.h"
#include "net/counters.h"

static bool has_role(const struct manager *manager, node_id_t node, enum role role)
{
    return configuration_has_role(manager->configuration, node, role);
}

static uint16_t host_order(uint16_t network_order)
{
    return swap16(network_order);
}

static void count(struct manager *manager, unsigned counter)
{
    manager->environment->count(counter, manager->context);
}

static void *reserve_posted(struct manager *manager, node_id_t to, uint16_t type,
                            size_t fixed_bytes)
{
    return manager->environment->reserve_posted(to, type, fixed_bytes, manager->context);
}

static void publish(struct manager *manager)
{
    manager->environment->publish(manager->context);
}

static void refuse_message(struct manager *manager)
{
    count(manager, COUNTER_DROP_BAD_MESSAGE);
}

/* An acceptor that came back from a TS: one that some CM may have handed out. */
static bool is_acceptor_possible(const struct manager *manager, const struct acceptor *acceptor)
{
    return has_role(manager, acceptor->node, ROLE_APPLICATION) && acceptor->cm == manager->node &&
           has_role(manager, acceptor->assigned_by, ROLE_CM);
}

static struct acceptor nobody(const struct manager *manager)
{
    return (struct acceptor){.node = NODE_NONE, .cm = manager->node, .assigned_by = manager->node};
}

static struct acceptor acceptor_of(const struct manager *manager,
                                   const struct listening_application *application)
{
    return (struct acceptor){
        .node = application->node,
        .listener_index = application->listener_index,
        .cm = manager->node,
        .assigned_by = manager->node,
        .request_number = application->request_number,
    };
}

/* --- Offers to other CMs --- */

static void publish_offer(struct manager *manager, struct listener *listener)
{
    const struct listening_application *best = manager->balance->best(listener);
    const struct acceptor acceptor = best == NULL ? nobody(manager) : acceptor_of(manager, best);

    if (acceptor.node == listener->published.node &&
        acceptor.listener_index == listener->published.listener_index &&
        acceptor.request_number == listener->published.request_number) {
        return;
    }
    ASSERT(best == NULL || best->is_accepting);
    listener->published = acceptor;

    for (unsigned i = 0; i < manager->configuration->cm_count; i++) {
        if (manager->configuration->cm[i] != manager->node) {
            struct offer *message =
                reserve_posted(manager, manager->configuration->cm[i], OFFER, sizeof(*message));

            message->acceptor = acceptor;
            message->port = listener->port;
            publish(manager);
        }
    }
}

/* --- Assignments --- */

/* Whether an application of ours, or another CM's, is there for a connection. */
static bool is_anybody_ready(const struct listener *listener)
{
    return listener->first_acceptor != NULL || !node_set_is_empty(&listener->offering);
}

/* Who gets the next connection of `ts`; counted as open. Its node is NODE_NONE for nobody. */
static struct acceptor take_acceptor(struct manager *manager, struct listener *listener,
                                     node_id_t ts)
{
    const struct choice choice = manager->balance->choose(listener);
    struct listening_application *application = choice.application;

    ASSERT_SLOW(ts < manager->configuration->node_count);
    if (application != NULL) {
        ASSERT_SLOW(application->is_accepting);
        application->outstanding++;
        application->outstanding_by_ts[ts]++;
        return acceptor_of(manager, application);
    }
    if (choice.offering_cm != NODE_NONE) {
        struct acceptor acceptor = listener->offers[choice.offering_cm];

        ASSERT_SLOW(node_set_has(&listener->offering, choice.offering_cm));
        acceptor.assigned_by = manager->node;
        return acceptor;
    }
    ASSERT_SLOW(!is_anybody_ready(listener));
    return nobody(manager);
}

/* A connection of `ts` with this acceptor has ended, or never came to be. */
static void return_acceptor(struct manager *manager, struct listener *listener,
                            const struct acceptor *acceptor, node_id_t ts)
{
    struct listening_application *application;

    /* Connections that another CM assigned were not counted here. */
    if (acceptor->assigned_by != manager->node || acceptor->cm != manager->node) {
        return;
    }
    application = listener_find_application(listener, acceptor->node, acceptor->listener_index);
    /* It may have left and come back meanwhile: then the count began anew. */
    if (application != NULL && application->outstanding_by_ts[ts] != 0) {
        ASSERT_SLOW(application->outstanding >= application->outstanding_by_ts[ts]);
        application->outstanding_by_ts[ts]--;
        application->outstanding--;
    }
}

static void count_assignment(struct manager *manager, const struct acceptor *acceptor)
{
    if (acceptor->node != NODE_NONE) {
        count(manager,
              acceptor->cm == manager->node ? COUNTER_CM_ASSIGNED : COUNTER_CM_ASSIGNED_REMOTE);
    }
}

static void send_reassignment(struct manager *manager, const struct waiting_connection *connection,
                              const struct acceptor *acceptor, uint16_t port, bool is_refused)
{
    struct reassign_connection *message =
        reserve_posted(manager, connection->ts, REASSIGN_CONNECTION, sizeof(*message));

    ASSERT((acceptor->node == NODE_NONE) == is_refused);
    ASSERT(acceptor->assigned_by == manager->node);
    message->connection_index = connection->connection_index;
    message->generation = connection->generation;
    message->acceptor = *acceptor;
    message->port = port;
    message->is_refused = is_refused;
    publish(manager);
}

static void refuse_connection(struct manager *manager, const struct waiting_connection *connection,
                              uint16_t port)
{
    const struct acceptor acceptor = nobody(manager);

    send_reassignment(manager, connection, &acceptor, port, true);
}

/* A connection whose handshake is complete goes to an acceptor, or waits for one. */
static void place_connection(struct manager *manager, struct listener *listener,
                             const struct waiting_connection *connection)
{
    const struct acceptor acceptor = take_acceptor(manager, listener, connection->ts);

    if (acceptor.node != NODE_NONE) {
        count_assignment(manager, &acceptor);
        send_reassignment(manager, connection, &acceptor, listener->port, false);
    } else if (listener->waiting.count >= listener->backlog) {
        count(manager, COUNTER_DROP_BACKLOG_FULL);
        refuse_connection(manager, connection, listener->port);
    } else if (waiting_add(&manager->waiting, &listener->waiting, connection) != 0) {
        count(manager, COUNTER_DROP_NO_MEMORY);
        refuse_connection(manager, connection, listener->port);
    } else {
        count(manager, COUNTER_CM_QUEUED);
    }
}

/* After somebody has become ready to accept. */
static void place_waiting(struct manager *manager, struct listener *listener)
{
    struct waiting_connection connection;

    while (is_anybody_ready(listener) &&
           waiting_take(&manager->waiting, &listener->waiting, &connection)) {
        place_connection(manager, listener, &connection);
    }
}

/* After backlogs have shrunk, or gone. The one that has waited longest goes first: its client is
 * the likeliest to have given up. */
static void refuse_excess(struct manager *manager, struct listener *listener)
{
    struct waiting_connection connection;

    while (listener->waiting.count > listener->backlog &&
           waiting_take(&manager->waiting, &listener->waiting, &connection)) {
        if (listener->applications != NULL) {
            count(manager, COUNTER_DROP_BACKLOG_FULL);
        }
        refuse_connection(manager, &connection, listener->port);
    }
}

/* After an application or an offer has gone: tell the others, and give up a port that nobody
 * serves any more. */
static void settle(struct manager *manager, struct listener *listener)
{
    publish_offer(manager, listener);
    refuse_excess(manager, listener);
    (void)listener_release_unused(&manager->listeners, listener); /* most often it is still used */
}

/* --- From applications --- */

void manager_handle_listen(struct manager *manager, node_id_t from, const struct message *message)
{
    const struct listen *listen = (const struct listen *)message;
    uint32_t backlog = listen->backlog;
    struct listener *listener;

    if (listen->port == 0 || backlog == 0) {
        refuse_message(manager);
        return;
    }
    if (backlog > WAITING_MAX) {
        backlog = WAITING_MAX;
    }
    listener = listener_obtain(&manager->listeners, listen->port);
    if (listener == NULL || listener_add_application(&manager->listeners, listener, from,
                                                     listen->listener_index, backlog) != 0) {
        count(manager, COUNTER_DROP_NO_MEMORY);
        log_warning("cm", "port %u: too many listeners, node %u is not served", listen->port, from);
        if (listener != NULL) {
            /* It may have been made for this message. */
            (void)listener_release_unused(&manager->listeners, listener);
        }
        return;
    }
    refuse_excess(manager, listener);
}

void manager_handle_unlisten(struct manager *manager, node_id_t from, const struct message *message)
{
    const struct unlisten *unlisten = (const struct unlisten *)message;
    struct listener *listener = listener_find(&manager->listeners, unlisten->port);
    struct listening_application *application = NULL;

    if (listener != NULL) {
        application = listener_find_application(listener, from, unlisten->listener_index);
    }
    if (application == NULL) {
        refuse_message(manager);
        return;
    }
    listener_remove_application(&manager->listeners, listener, application);
    settle(manager, listener);
}

void manager_handle_accept_connection(struct manager *manager, node_id_t from,
                                      const struct message *message)
{
    const struct accept_connection *accept = (const struct accept_connection *)message;
    struct listener *listener = listener_find(&manager->listeners, accept->port);
    struct listening_application *application = NULL;

    if (listener != NULL) {
        application = listener_find_application(listener, from, accept->listener_index);
    }
    if (application == NULL) {
        refuse_message(manager);
        return;
    }
    application->request_number = accept->request_number;
    listener_add_acceptor(listener, application);
    publish_offer(manager, listener);
    place_waiting(manager, listener);
}

/* --- From LSs --- */

void manager_handle_syn_arrived(struct manager *manager, node_id_t from,
                                const struct message *message, struct message_payload frame)
{
    const struct syn_arrived *syn = (const struct syn_arrived *)message;
    uint16_t port = host_order(syn->flow.local_port);
    struct listener *listener = listener_find(&manager->listeners, port);
    struct assign_connection *assign;

    (void)from; /* some LS or TS */
    if (!has_role(manager, syn->ts, ROLE_TS) || frame.length_bytes > SYN_FRAME_MAX_BYTES) {
        refuse_message(manager);
        return;
    }
    assign = manager->environment->reserve(syn->ts, ASSIGN_CONNECTION, sizeof(*assign),
                                           frame.length_bytes, manager->context);
    if (assign == NULL) {
        /* The peer sends its SYN again. A dead TS takes its flows with it. */
        count(manager, configuration_is_dead(manager->configuration, syn->ts)
                           ? COUNTER_DROP_NOT_OURS
                           : COUNTER_DROP_CHANNEL_FULL);
        return;
    }
    assign->flow = syn->flow;
    assign->acceptor =
        listener == NULL ? nobody(manager) : take_acceptor(manager, listener, syn->ts);
    assign->frame_flags = syn->frame_flags;
    assign->is_refused = listener == NULL;
    ASSERT_SLOW(assign->acceptor.node == NODE_NONE || !assign->is_refused);
    memcpy(assign + 1, frame.bytes, frame.length_bytes);
    count_assignment(manager, &assign->acceptor);
    publish(manager);
}

/* --- From TSs --- */

void manager_handle_accept_timeout(struct manager *manager, node_id_t from,
                                   const struct message *message)
{
    const struct accept_timeout *timeout = (const struct accept_timeout *)message;
    const struct acceptor *acceptor = &timeout->acceptor;
    const struct waiting_connection connection = {
        .ts = from,
        .connection_index = timeout->connection_index,
        .generation = timeout->generation,
    };
    struct listener *listener = listener_find(&manager->listeners, timeout->port);
    struct listening_application *application = NULL;

    if (acceptor->node != NODE_NONE && !is_acceptor_possible(manager, acceptor)) {
        refuse_message(manager);
        return;
    }
    if (listener == NULL) {
        refuse_connection(manager, &connection, timeout->port);
        return;
    }
    if (acceptor->node != NODE_NONE) {
        application = listener_find_application(listener, acceptor->node, acceptor->listener_index);
    }
    if (application != NULL) {
        return_acceptor(manager, listener, acceptor, from);
        /* Else it has said since that it accepts, and would wait for ever if it were dropped. */
        if (acceptor->request_number == application->request_number) {
            listener_remove_acceptor(listener, application);
            publish_offer(manager, listener);
        }
    }
    place_connection(manager, listener, &connection);
}

void manager_handle_connection_closed(struct manager *manager, node_id_t from,
                                      const struct message *message)
{
    const struct connection_closed *closed = (const struct connection_closed *)message;
    struct listener *listener = listener_find(&manager->listeners, closed->port);

    if (!is_acceptor_possible(manager, &closed->acceptor)) {
        refuse_message(manager);
        return;
    }
    if (listener != NULL) {
        return_acceptor(manager, listener, &closed->acceptor, from);
    }
}

/* --- From other CMs --- */

void manager_handle_offer(struct manager *manager, node_id_t from, const struct message *message)
{
    const struct offer *offer = (const struct offer *)message;
    const struct acceptor *acceptor = &offer->acceptor;
    bool is_withdrawn = acceptor->node == NODE_NONE;
    struct listener *listener;

    if (from == manager->node || offer->port == 0 || acceptor->cm != from ||
        (!is_withdrawn && !has_role(manager, acceptor->node, ROLE_APPLICATION))) {
        refuse_message(manager);
        return;
    }
    if (configuration_is_dead(manager->configuration, acceptor->node)) {
        return; /* its CM will see it, too, and withdraws it then */
    }
    /* An offer may overtake the application's own LISTEN, which comes by another channel. */
    listener = is_withdrawn ? listener_find(&manager->listeners, offer->port)
                            : listener_obtain(&manager->listeners, offer->port);
    if (listener == NULL) {
        if (!is_withdrawn) {
            count(manager, COUNTER_DROP_NO_MEMORY);
        }
        return;
    }
    listener_set_offer(listener, from, acceptor);
    if (is_withdrawn) {
        settle(manager, listener);
    } else {
        place_waiting(manager, listener);
    }
}

/* --- Dead nodes --- */

static void withdraw_offers_of(struct manager *manager, struct listener *listener, node_id_t node)
{
    const struct acceptor none = nobody(manager);

    for (unsigned i = 0; i < manager->configuration->cm_count; i++) {
        node_id_t cm = manager->configuration->cm[i];

        if (cm == node || listener->offers[cm].node == node) {
            listener_set_offer(listener, cm, &none);
        }
    }
}

static void remove_applications_of(struct manager *manager, struct listener *listener,
                                   node_id_t node)
{
    struct listening_application *next;

    for (struct listening_application *application = listener->applications; application != NULL;
         application = next) {
        next = application->next;
        if (application->node == node) {
            listener_remove_application(&manager->listeners, listener, application);
        } else {
            ASSERT(application->outstanding >= application->outstanding_by_ts[node]);
            application->outstanding -= application->outstanding_by_ts[node];
            application->outstanding_by_ts[node] = 0;
        }
    }
}

void manager_forget_node(struct manager *manager, node_id_t node)
{
    ASSERT(node < manager->configuration->node_count && node != manager->node);
    for (struct listener *listener = listener_after(&manager->listeners, NULL); listener != NULL;
         listener = listener_after(&manager->listeners, listener)) {
        waiting_remove_ts(&manager->waiting, &listener->waiting, node);
        withdraw_offers_of(manager, listener, node);
        remove_applications_of(manager, listener, node);
        settle(manager, listener);
    }
}

/* --- The manager as a whole --- */

void manager_initialise(struct manager *manager, node_id_t node,
                        const struct configuration *configuration,
                        const struct manager_environment *environment, void *context, void *memory)
{
    ASSERT(configuration_has_role(configuration, node, ROLE_CM));
    memset(manager, 0, sizeof(*manager));
    manager->node = node;
    manager->configuration = configuration;
    manager->balance = &balance_least;
    manager->environment = environment;
    manager->context = context;
    listener_table_initialise(&manager->listeners, configuration->node_count, memory);
}
