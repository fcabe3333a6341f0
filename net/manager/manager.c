/* SPDX-License-Identifier: MIT */
/*
 * The CM's message handlers (PIKA 3.2). A connection is assigned when its SYN comes, on the word
 * of applications that said they would accept; when that proves wrong, the TS tells us and we
 * assign again, or let the connection wait until somebody accepts.
 *
 * A message to a role on this node calls its handler at once, which may send back and enter this
 * file again: all tables are made right before anything is sent.
 */
#include "net/manager/manager.h"

#include <errno.h>

#include "kernel/log.h"
#include "kernel/message/dispatch.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "net/configuration.h"
#include "net/counters.h"
#include "net/manager/balance/balance.h"
#include "net/manager/listeners.h"
#include "net/manager/waiting.h"
#include "net/messages.h"
#include "net/status_text.h"

static const struct configuration *configuration;

static bool has_role(node_id_t node, enum role role)
{
    return configuration_has_role(configuration, node, role);
}

static bool is_own_application(node_id_t node)
{
    return configuration_own_cm(configuration, node) == platform_node();
}

static uint16_t host_order(uint16_t network_order)
{
    return __builtin_bswap16(network_order);
}

static void refuse_message(void)
{
    counter_increment(COUNTER_DROP_BAD_MESSAGE);
}

/* An acceptor that came back from a TS: one that some CM may have handed out. */
static bool is_acceptor_possible(const struct acceptor *acceptor)
{
    return has_role(acceptor->node, ROLE_APPLICATION) && acceptor->cm == platform_node() &&
           has_role(acceptor->assigned_by, ROLE_CM);
}

static struct acceptor nobody(void)
{
    return (struct acceptor){
        .node = NODE_NONE, .cm = platform_node(), .assigned_by = platform_node()};
}

/* --- Offers to other CMs --- */

static void publish_offer(struct listener *listener)
{
    const struct listening_application *best = balance_choose_offer(listener);
    struct acceptor acceptor = nobody();

    if (best != NULL) {
        acceptor.node = best->node;
        acceptor.listener_index = best->listener_index;
        acceptor.request_number = best->request_number;
    }
    if (acceptor.node == listener->published.node &&
        acceptor.listener_index == listener->published.listener_index &&
        acceptor.request_number == listener->published.request_number) {
        return;
    }
    listener->published = acceptor;

    const struct offer offer = {
        .header = {.type = OFFER, .length_bytes = sizeof(offer)},
        .acceptor = acceptor,
        .port = listener->port,
    };
    for (unsigned i = 0; i < configuration->cm_count; i++) {
        if (configuration->cm[i] != platform_node()) {
            message_post(configuration->cm[i], &offer.header);
        }
    }
}

/* --- Assignments --- */

/* Whom to offer the next connection of `ts`; counted as open. Its node is NODE_NONE for nobody. */
static struct acceptor take_acceptor(struct listener *listener, node_id_t ts)
{
    struct choice choice = balance_choose(listener);
    struct acceptor acceptor = nobody();

    if (choice.application != NULL) {
        choice.application->outstanding++;
        choice.application->outstanding_by_ts[ts]++;
        acceptor.node = choice.application->node;
        acceptor.listener_index = choice.application->listener_index;
        acceptor.request_number = choice.application->request_number;
    } else if (choice.offering_cm != NODE_NONE) {
        acceptor = listener->offers[choice.offering_cm];
        acceptor.assigned_by = platform_node();
    }
    return acceptor;
}

/* A connection of `ts` with this acceptor has ended, or never came to be. */
static void return_acceptor(struct listener *listener, const struct acceptor *acceptor,
                            node_id_t ts)
{
    struct listening_application *application;

    /* Connections that another CM assigned were not counted here. */
    if (acceptor->assigned_by != platform_node() || acceptor->cm != platform_node()) {
        return;
    }
    application = listener_find_application(listener, acceptor->node, acceptor->listener_index);
    /* It may have left and come back meanwhile: then the count began anew. */
    if (application != NULL && application->outstanding_by_ts[ts] != 0) {
        application->outstanding_by_ts[ts]--;
        application->outstanding--;
    }
}

static void count_assignment(const struct acceptor *acceptor)
{
    if (acceptor->node != NODE_NONE) {
        counter_increment(acceptor->cm == platform_node() ? COUNTER_CM_ASSIGNED
                                                          : COUNTER_CM_ASSIGNED_REMOTE);
    }
}

static void send_reassignment(const struct waiting_connection *connection,
                              const struct acceptor *acceptor, uint16_t port, bool is_refused)
{
    const struct reassign_connection reassign = {
        .header = {.type = REASSIGN_CONNECTION, .length_bytes = sizeof(reassign)},
        .connection_index = connection->connection_index,
        .generation = connection->generation,
        .acceptor = *acceptor,
        .port = port,
        .is_refused = is_refused,
    };

    message_post(connection->ts, &reassign.header);
}

static void refuse_connection(const struct waiting_connection *connection, uint16_t port)
{
    const struct acceptor acceptor = nobody();

    send_reassignment(connection, &acceptor, port, true);
}

/* A connection whose handshake is complete goes to an acceptor, or waits for one. */
static void place_connection(struct listener *listener, const struct waiting_connection *connection)
{
    const struct acceptor acceptor = take_acceptor(listener, connection->ts);

    if (acceptor.node != NODE_NONE) {
        count_assignment(&acceptor);
        send_reassignment(connection, &acceptor, listener->port, false);
    } else if (listener->waiting.count < listener->backlog &&
               waiting_add(&listener->waiting, connection) == 0) {
        counter_increment(COUNTER_CM_QUEUED);
    } else {
        counter_increment(COUNTER_DROP_NO_MEMORY);
        refuse_connection(connection, listener->port);
    }
}

/* After somebody has become ready to accept. */
static void place_waiting(struct listener *listener)
{
    struct waiting_connection connection;

    while ((listener->first_acceptor != NULL || listener->offering != 0) &&
           waiting_take(&listener->waiting, &connection)) {
        place_connection(listener, &connection);
    }
}

/* After an application or an offer has gone: tell the others, and give up a port that nobody
 * serves any more. */
static void settle(struct listener *listener)
{
    struct waiting_connection connection;
    uint16_t port = listener->port;

    publish_offer(listener);
    while (listener->applications == NULL && listener->offering == 0 &&
           waiting_take(&listener->waiting, &connection)) {
        refuse_connection(&connection, port);
    }
    (void)listener_release_unused(listener); /* most often it is still used */
}

/* --- From applications --- */

static void handle_listen(node_id_t from, const struct message *message)
{
    const struct listen *listen = (const struct listen *)message;
    uint32_t backlog = listen->backlog;
    struct listener *listener;

    if (!has_role(from, ROLE_APPLICATION) || listen->port == 0 || backlog == 0) {
        refuse_message();
        return;
    }
    if (backlog > WAITING_MAX) {
        backlog = WAITING_MAX;
    }
    listener = listener_obtain(listen->port);
    if (listener == NULL ||
        listener_add_application(listener, from, listen->listener_index, backlog) != 0) {
        counter_increment(COUNTER_DROP_NO_MEMORY);
        log_warning("cm", "port %u: too many listeners, node %u is not served", listen->port, from);
        if (listener != NULL) {
            (void)listener_release_unused(listener); /* if it was made for this message */
        }
    }
}

static void handle_unlisten(node_id_t from, const struct message *message)
{
    const struct unlisten *unlisten = (const struct unlisten *)message;
    struct listener *listener = listener_find(unlisten->port);
    struct listening_application *application = NULL;

    if (listener != NULL) {
        application = listener_find_application(listener, from, unlisten->listener_index);
    }
    if (application == NULL) {
        refuse_message();
        return;
    }
    listener_remove_application(listener, application);
    settle(listener);
}

static void handle_accept_connection(node_id_t from, const struct message *message)
{
    const struct accept_connection *accept = (const struct accept_connection *)message;
    struct listener *listener = listener_find(accept->port);
    struct listening_application *application = NULL;

    if (listener != NULL && has_role(from, ROLE_APPLICATION) && is_own_application(from)) {
        application = listener_find_application(listener, from, accept->listener_index);
    }
    if (application == NULL) {
        refuse_message();
        return;
    }
    application->request_number = accept->request_number;
    listener_add_acceptor(listener, application);
    publish_offer(listener);
    place_waiting(listener);
}

/* --- From LSs --- */

static void handle_syn_arrived(node_id_t from, const struct message *message)
{
    const struct syn_arrived *syn = (const struct syn_arrived *)message;
    size_t frame_bytes = message->header.length_bytes - sizeof(*syn);
    struct listener *listener = listener_find(host_order(syn->flow.local_port));
    struct assign_connection assign = {
        .header = {.type = ASSIGN_CONNECTION},
        .flow = syn->flow,
        .acceptor = nobody(),
        .frame_flags = syn->frame_flags,
        .is_refused = listener == NULL,
    };
    int error;

    if (!has_role(from, ROLE_LS) || !has_role(syn->ts, ROLE_TS) ||
        frame_bytes > SYN_FRAME_MAX_BYTES) {
        refuse_message();
        return;
    }
    if (listener != NULL) {
        assign.acceptor = take_acceptor(listener, syn->ts);
    }
    error = message_send_payload(syn->ts, &assign.header, sizeof(assign), syn->frame, frame_bytes);
    if (error != 0) {
        /* The peer sends its SYN again. A dead TS takes its flows with it. */
        counter_increment(error == -EAGAIN ? COUNTER_DROP_CHANNEL_FULL : COUNTER_DROP_NOT_OURS);
        if (listener != NULL) {
            return_acceptor(listener, &assign.acceptor, syn->ts);
        }
        return;
    }
    count_assignment(&assign.acceptor);
}

/* --- From TSs --- */

static void handle_accept_timeout(node_id_t from, const struct message *message)
{
    const struct accept_timeout *timeout = (const struct accept_timeout *)message;
    const struct acceptor *acceptor = &timeout->acceptor;
    const struct waiting_connection connection = {
        .ts = from,
        .connection_index = timeout->connection_index,
        .generation = timeout->generation,
    };
    struct listener *listener = listener_find(timeout->port);
    struct listening_application *application = NULL;

    if (!has_role(from, ROLE_TS) ||
        (acceptor->node != NODE_NONE && !is_acceptor_possible(acceptor))) {
        refuse_message();
        return;
    }
    if (listener == NULL) {
        refuse_connection(&connection, timeout->port);
        return;
    }
    if (acceptor->node != NODE_NONE) {
        application = listener_find_application(listener, acceptor->node, acceptor->listener_index);
    }
    if (application != NULL) {
        return_acceptor(listener, acceptor, from);
        /* Else it has said since that it accepts, and would wait for ever if it were dropped. */
        if (acceptor->request_number == application->request_number) {
            listener_remove_acceptor(listener, application);
            publish_offer(listener);
        }
    }
    place_connection(listener, &connection);
}

static void handle_connection_closed(node_id_t from, const struct message *message)
{
    const struct connection_closed *closed = (const struct connection_closed *)message;
    struct listener *listener = listener_find(closed->port);

    if (!has_role(from, ROLE_TS) || !is_acceptor_possible(&closed->acceptor)) {
        refuse_message();
        return;
    }
    if (listener != NULL) {
        return_acceptor(listener, &closed->acceptor, from);
    }
}

/* --- From other CMs --- */

static void handle_offer(node_id_t from, const struct message *message)
{
    const struct offer *offer = (const struct offer *)message;
    const struct acceptor *acceptor = &offer->acceptor;
    bool is_withdrawn = acceptor->node == NODE_NONE;
    struct listener *listener;

    if (!has_role(from, ROLE_CM) || from == platform_node() || offer->port == 0 ||
        acceptor->cm != from || (!is_withdrawn && !has_role(acceptor->node, ROLE_APPLICATION))) {
        refuse_message();
        return;
    }
    /* An offer may overtake the application's own LISTEN, which comes by another channel. */
    listener = is_withdrawn ? listener_find(offer->port) : listener_obtain(offer->port);
    if (listener == NULL) {
        if (!is_withdrawn) {
            counter_increment(COUNTER_DROP_NO_MEMORY);
        }
        return;
    }
    listener_set_offer(listener, from, acceptor);
    if (is_withdrawn) {
        settle(listener);
    } else {
        place_waiting(listener);
    }
}

/* --- Dead nodes --- */

static void withdraw_offers_of(struct listener *listener, node_id_t node)
{
    const struct acceptor none = nobody();

    for (unsigned i = 0; i < configuration->cm_count; i++) {
        node_id_t cm = configuration->cm[i];

        if (cm == node || listener->offers[cm].node == node) {
            listener_set_offer(listener, cm, &none);
        }
    }
}

static void remove_applications_of(struct listener *listener, node_id_t node)
{
    struct listening_application *next;

    for (struct listening_application *application = listener->applications; application != NULL;
         application = next) {
        next = application->next;
        if (application->node == node) {
            listener_remove_application(listener, application);
        } else {
            application->outstanding -= application->outstanding_by_ts[node];
            application->outstanding_by_ts[node] = 0;
        }
    }
}

static void node_down(node_id_t node)
{
    for (struct listener *listener = listener_after(NULL); listener != NULL;
         listener = listener_after(listener)) {
        waiting_remove_ts(&listener->waiting, node);
        withdraw_offers_of(listener, node);
        remove_applications_of(listener, node);
        settle(listener);
    }
}

void connection_manager_start(const struct configuration *the_configuration)
{
    configuration = the_configuration;
    dispatch_register_message(LISTEN, sizeof(struct listen), handle_listen);
    dispatch_register_message(UNLISTEN, sizeof(struct unlisten), handle_unlisten);
    dispatch_register_message(ACCEPT_CONNECTION, sizeof(struct accept_connection),
                              handle_accept_connection);
    dispatch_register_message(SYN_ARRIVED, sizeof(struct syn_arrived), handle_syn_arrived);
    dispatch_register_message(ACCEPT_TIMEOUT, sizeof(struct accept_timeout), handle_accept_timeout);
    dispatch_register_message(CONNECTION_CLOSED, sizeof(struct connection_closed),
                              handle_connection_closed);
    dispatch_register_message(OFFER, sizeof(struct offer), handle_offer);
    dispatch_register_node_down(node_down);
    status_set_text(STATUS_TEXT_BALANCE, "fewest open connections, in turn among equals");
}
