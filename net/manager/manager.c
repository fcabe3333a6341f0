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
#include "net/closed.h"
#include "net/counters.h"
#include "net/manager/acceptors.h"
#include "net/manager/counters.h"
#include "net/manager/internal.h"
#include "net/manager/offering.h"
#include "net/manager/ports.h"

static bool has_role(const struct manager *manager, node_id_t node, enum role role)
{
    return configuration_has_role(manager->configuration, node, role);
}

static uint16_t host_order(uint16_t network_order)
{
    return swap16(network_order);
}

static void refuse_message(struct manager *manager)
{
    manager_count(manager, COUNTER_DROP_BAD_MESSAGE);
}

/* An acceptor that came back from a TS: one of this CM's list that some CM may have handed out. */
static bool is_acceptor_possible(const struct manager *manager, node_id_t application,
                                 node_id_t assigned_by)
{
    return has_role(manager, application, ROLE_APPLICATION) &&
           has_role(manager, assigned_by, ROLE_CM);
}

/* --- Assignments --- */

static void count_assignment(struct manager *manager, const struct acceptor *acceptor)
{
    if (acceptor->node != NODE_NONE) {
        manager_count(manager, acceptor->cm == manager->node ? COUNTER_CM_ASSIGNED
                                                             : COUNTER_CM_ASSIGNED_REMOTE);
    }
}

static void send_reassignment(struct manager *manager, const struct waiting_connection *connection,
                              const struct acceptor *acceptor, uint16_t port, bool is_refused)
{
    struct reassign_connection *message =
        manager_reserve_posted(manager, connection->ts, REASSIGN_CONNECTION, sizeof(*message));

    ASSERT((acceptor->node == NODE_NONE) == is_refused);
    ASSERT(acceptor->assigned_by == manager->node);
    message->connection_index = connection->connection_index;
    message->generation = connection->generation;
    message->acceptor = *acceptor;
    message->port = port;
    message->is_refused = is_refused;
    manager_publish(manager);
}

static void refuse_connection(struct manager *manager, const struct waiting_connection *connection,
                              uint16_t port)
{
    const struct acceptor acceptor = manager_nobody(manager);

    send_reassignment(manager, connection, &acceptor, port, true);
}

/* A connection whose handshake is complete goes to an acceptor, or waits for one. */
static void place_connection(struct manager *manager, struct listener *listener,
                             const struct waiting_connection *connection)
{
    struct acceptor acceptor;

    acceptors_take(manager, listener, connection->ts, false, &acceptor);
    if (acceptor.node != NODE_NONE) {
        count_assignment(manager, &acceptor);
        send_reassignment(manager, connection, &acceptor, listener->port, false);
    } else if (listener->waiting.count >= listener->backlog) {
        manager_count(manager, COUNTER_DROP_BACKLOG_FULL);
        refuse_connection(manager, connection, listener->port);
    } else if (waiting_add(&manager->waiting, &listener->waiting, connection) != 0) {
        manager_count(manager, COUNTER_DROP_NO_MEMORY);
        refuse_connection(manager, connection, listener->port);
    } else {
        manager_count(manager, COUNTER_CM_QUEUED);
    }
}

/* After somebody has become ready to accept. */
static void place_waiting(struct manager *manager, struct listener *listener)
{
    struct waiting_connection connection;

    while (balance_is_anybody_ready(&manager->balance, listener) &&
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
            manager_count(manager, COUNTER_DROP_BACKLOG_FULL);
        }
        refuse_connection(manager, &connection, listener->port);
    }
}

/* After an application or an offer has gone: tell the others, and give up a port that nobody
 * serves any more. */
static void settle(struct manager *manager, struct listener *listener)
{
    balance_settle(&manager->balance, listener);
    offering_publish(manager, listener);
    refuse_excess(manager, listener);
    if (listener_release_unused(&manager->listeners, listener)) {
        ports_tell(manager);
    }
}

/* --- From applications --- */

void manager_handle_listen(struct manager *manager, node_id_t from, const struct message *message)
{
    const struct listen *listen = (const struct listen *)message;
    uint32_t backlog = listen->backlog;
    struct listener *listener;

    if (listen->port == 0 || listen->listener_index >= LISTENER_MAX || backlog == 0) {
        refuse_message(manager);
        return;
    }
    if (backlog > WAITING_MAX) {
        backlog = WAITING_MAX;
    }
    listener = listener_obtain(&manager->listeners, listen->port);
    if (listener == NULL || listener_add_application(&manager->listeners, listener, from,
                                                     listen->listener_index, backlog) != 0) {
        manager_count(manager, COUNTER_DROP_NO_MEMORY);
        log_warning("cm", "port %u: too many listeners, node %u is not served", listen->port, from);
        if (listener != NULL) {
            /* It may have been made for this message. */
            (void)listener_release_unused(&manager->listeners, listener);
        }
        return;
    }
    ports_note_listener(manager, listener);
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
    if (application == NULL || accept->grant_count > GRANT_MAX) {
        refuse_message(manager);
        return;
    }
    if (accept->is_renewal != 0) {
        /* Of a place that is lost, by a message on its way here, it says nothing. */
        if (application->is_accepting && application->request_number == accept->request_number) {
            acceptors_add_grants(application, accept->grant_count);
        }
        return;
    }
    application->request_number = accept->request_number;
    application->granted_count = accept->grant_count;
    application->wants_data = accept->wants_data != 0;
    if (application->service_ns == 0) {
        listener_set_service(listener, application, balance_newcomers_service_ns(listener));
    }
    listener_add_acceptor(listener, application);
    balance_settle(&manager->balance, listener);
    offering_publish(manager, listener);
    place_waiting(manager, listener);
}

void manager_handle_give_up_place(struct manager *manager, node_id_t from,
                                  const struct message *message)
{
    const struct give_up_place *place = (const struct give_up_place *)message;
    struct listener *listener = listener_find(&manager->listeners, place->port);
    struct listening_application *application = NULL;

    if (listener != NULL) {
        application = listener_find_application(listener, from, place->listener_index);
    }
    if (application == NULL) {
        refuse_message(manager);
    } else if (application->request_number == place->request_number) {
        listener_remove_acceptor(listener, application);
        balance_settle(&manager->balance, listener);
        offering_publish(manager, listener);
    }
}

/* --- From TSs --- */

void manager_answer_syn(struct manager *manager, node_id_t from, const struct message *message,
                        struct assign_connection *answer)
{
    const struct syn_arrived *syn = (const struct syn_arrived *)message;
    struct listener *listener =
        listener_find(&manager->listeners, host_order(syn->flow.local_port));

    answer->flow = syn->flow;
    if (LIKELY(listener != NULL)) {
        acceptors_take(manager, listener, from, true, &answer->acceptor);
    } else {
        answer->acceptor = manager_nobody(manager);
        answer->is_refused = !manager->is_learning;
    }
    count_assignment(manager, &answer->acceptor);
}

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

    if (acceptor->node != NODE_NONE &&
        (acceptor->cm != manager->node ||
         !is_acceptor_possible(manager, acceptor->node, acceptor->assigned_by))) {
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
        acceptors_return(manager, application, acceptor->assigned_by, from);
    }
    /* If the numbers differ, it has said since that it accepts, and would wait for ever if it were
     * dropped. */
    if (application != NULL && acceptor->request_number == application->request_number) {
        listener_remove_acceptor(listener, application);
        balance_settle(&manager->balance, listener);
        offering_publish(manager, listener);
    }
    place_connection(manager, listener, &connection);
}

/* Nodes, port and listener in one word: all that names whose it was. */
static inline uint64_t owner_of_closed(const struct closed_connection *closed)
{
    _Static_assert(offsetof(struct closed_connection, is_granted) == 7, "the rest of that word");
    return load_le64((const uint8_t *)closed) & UINT64_MAX >> 8;
}

/* Whose it was; NULL: nobody's any more, or it cannot be, and is refused. */
static inline struct listening_application *find_closed(struct manager *manager,
                                                        const struct closed_connection *closed,
                                                        struct listener **listener)
{
    if (!is_acceptor_possible(manager, closed->node, closed->assigned_by)) {
        refuse_message(manager);
        return NULL;
    }
    *listener = listener_find(&manager->listeners, closed->port);
    return *listener != NULL
               ? listener_find_application(*listener, closed->node, closed->listener_index)
               : NULL;
}

static inline void note_closed(struct manager *manager, node_id_t ts, struct listener *listener,
                               struct listening_application *application,
                               const struct closed_connection *closed)
{
    if (closed->service != 0) {
        acceptors_close(manager, listener, application, closed->assigned_by, ts,
                        closed_connection_service_ns(closed));
        return;
    }
    /* It was never told of it. */
    acceptors_return(manager, application, closed->assigned_by, ts);
    if (closed->is_granted != 0) {
        acceptors_add_grants(application, 1);
    }
}

void manager_handle_connection_closed(struct manager *manager, node_id_t from,
                                      const struct message *message)
{
    const struct connection_closed *connections = (const struct connection_closed *)message;
    struct listening_application *application = NULL;
    struct listener *listener = NULL;
    uint64_t last = 0; /* whose `application` is, mostly all of them */

    for (unsigned i = 0; i < CLOSED_MAX; i++) {
        const struct closed_connection *closed = &connections->closed[i];
        uint64_t owner = owner_of_closed(closed);

        if (closed->port == 0) {
            continue;
        }
        if (application == NULL || owner != last) {
            application = find_closed(manager, closed, &listener);
            last = owner;
        }
        if (application != NULL) {
            note_closed(manager, from, listener, application, closed);
        }
    }
}

/* --- From other CMs --- */

static bool is_offer_possible(const struct manager *manager, node_id_t from,
                              const struct offer *offer)
{
    return from != manager->node && offer->port != 0 && offer->acceptor.cm == from &&
           (offer->acceptor.node == NODE_NONE ||
            has_role(manager, offer->acceptor.node, ROLE_APPLICATION));
}

static void take_offer(struct manager *manager, node_id_t from, const struct offer *offer)
{
    const struct acceptor *acceptor = &offer->acceptor;
    /* It may overtake the application's own LISTEN, which comes by another channel. */
    struct listener *listener = listener_obtain(&manager->listeners, offer->port);

    if (listener == NULL) {
        manager_count(manager, COUNTER_DROP_NO_MEMORY);
        return;
    }
    if (!node_set_has(&listener->offers.offering, from)) {
        manager_count(manager, COUNTER_OFFERS_KNOWN);
    }
    balance_set_offer(&manager->balance, listener, from, acceptor, offer->service_ns);
    ports_note_listener(manager, listener);
    place_waiting(manager, listener);
}

static void forget_offer(struct manager *manager, struct listener *listener, node_id_t cm)
{
    if (node_set_has(&listener->offers.offering, cm)) {
        manager_count_many(manager, COUNTER_OFFERS_KNOWN, UINT64_MAX); /* one less */
        balance_remove_offer(listener, cm);
    }
}

static void drop_offer(struct manager *manager, node_id_t from, uint16_t port)
{
    struct listener *listener = listener_find(&manager->listeners, port);

    if (listener != NULL) {
        forget_offer(manager, listener, from);
        settle(manager, listener);
    }
}

void manager_handle_offer(struct manager *manager, node_id_t from, const struct message *message)
{
    const struct offer *offer = (const struct offer *)message;
    uint64_t start_ns;

    if (!is_offer_possible(manager, from, offer)) {
        refuse_message(manager);
        return;
    }
    start_ns = manager_exact_now_ns(manager);
    manager_count(manager, COUNTER_OFFERS_RECEIVED);
    if (offer->acceptor.node == NODE_NONE) {
        drop_offer(manager, from, offer->port);
    } else if (!configuration_is_dead(manager->configuration, offer->acceptor.node)) {
        take_offer(manager, from, offer);
    } /* else its CM will see it, too, and withdraws it then */
    offering_count_time(manager, start_ns);
}

/* --- Dead nodes --- */

static void withdraw_offers_of(struct manager *manager, struct listener *listener, node_id_t node)
{
    NODE_SET_EACH(&listener->offers.offering, cm)
    {
        if (cm == node || listener->offers.known[cm].acceptor.node == node) {
            forget_offer(manager, listener, (node_id_t)cm);
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
        } else if (application->is_own) {
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
    if (has_role(manager, node, ROLE_CM)) {
        ports_tell(manager); /* some of its transport servers are this one's now */
    }
}

/* --- Nodes that go, and come back --- */

void manager_note_draining(struct manager *manager, node_id_t node)
{
    if (has_role(manager, node, ROLE_CM) && node != manager->node) {
        ports_tell(manager); /* as of one that has died */
    }
}

void manager_greet_node(struct manager *manager, node_id_t node)
{
    ASSERT(node < manager->configuration->node_count && node != manager->node);
    if (has_role(manager, node, ROLE_CM)) {
        offering_tell(manager, node);
    }
    if (has_role(manager, node, ROLE_TS)) {
        ports_tell(manager);
    }
}

void manager_begin_learning(struct manager *manager)
{
    manager->is_learning = true;
}

void manager_end_learning(struct manager *manager)
{
    manager->is_learning = false;
    ports_tell(manager);
}

/* --- The manager as a whole --- */

void manager_initialise(struct manager *manager, node_id_t node,
                        const struct configuration *configuration,
                        const struct manager_options *options,
                        const struct manager_environment *environment, void *context, void *memory)
{
    ASSERT(configuration_has_role(configuration, node, ROLE_CM));
    memset(manager, 0, sizeof(*manager));
    manager->node = node;
    manager->configuration = configuration;
    manager->balance = options->balance;
    manager->offer_period_ns = options->offer_period_ns;
    manager->wake_ns = UINT64_MAX;
    manager->environment = environment;
    manager->context = context;
    listener_table_initialise(&manager->listeners, configuration->node_count, memory);
}
