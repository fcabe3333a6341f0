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
#include "net/manager/counters.h"

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

static uint64_t now_ns(const struct manager *manager)
{
    return manager->environment->now_ns(manager->context);
}

/* --- Offers to other CMs --- */

/* Since then offers were what it was busy with. */
static void count_offer_time(struct manager *manager, uint64_t start_ns)
{
    uint64_t end_ns = manager->environment->exact_now_ns(manager->context);

    manager->environment->add(COUNTER_OFFER_NS, end_ns - start_ns, manager->context);
}

/* 0 while it is a guess, or does not matter. */
static uint64_t offered_service_ns(const struct manager *manager,
                                   const struct listening_application *application)
{
    bool is_known = application->history->count != 0 || application->is_overdue;

    return is_known && manager->balance.scheme->has_weights ? application->service_ns : 0;
}

/* Look at it again then. */
static void announce_later(struct manager *manager, struct listener *listener, uint64_t time_ns)
{
    listener->is_offer_due = true;
    if (time_ns < manager->wake_ns) {
        manager->wake_ns = time_ns;
        manager->environment->wake_at(time_ns, manager->context);
    }
}

static void send_offer(struct manager *manager, struct listener *listener,
                       struct listening_application *best)
{
    const struct acceptor acceptor = best == NULL ? nobody(manager) : acceptor_of(manager, best);
    uint64_t start_ns = manager->environment->exact_now_ns(manager->context);
    unsigned sent_count = 0;

    ASSERT(best == NULL || best->is_accepting);
    listener->published = acceptor;
    listener->published_ns = best == NULL ? 0 : offered_service_ns(manager, best);
    listener->offered = best;
    listener->is_offer_due = false;
    for (unsigned i = 0; i < manager->configuration->cm_count; i++) {
        node_id_t cm = manager->configuration->cm[i];

        if (cm != manager->node && !configuration_is_dead(manager->configuration, cm)) {
            struct offer *message = reserve_posted(manager, cm, OFFER, sizeof(*message));

            message->acceptor = acceptor;
            message->port = listener->port;
            message->service_ns = listener->published_ns;
            publish(manager);
            sent_count++;
        }
    }
    manager->environment->add(COUNTER_OFFERS_SENT, sent_count, manager->context);
    count_offer_time(manager, start_ns);
}

/* What another CM would not know yet: another acceptor, or a service time that differs by more than
 * an eighth. */
static bool is_news(const struct manager *manager, const struct listener *listener,
                    const struct listening_application *best)
{
    const struct acceptor *published = &listener->published;
    const struct acceptor acceptor = best == NULL ? nobody(manager) : acceptor_of(manager, best);
    uint64_t service_ns, difference_ns;

    if (acceptor.node != published->node || acceptor.listener_index != published->listener_index ||
        acceptor.request_number != published->request_number) {
        return true;
    }
    if (best == NULL) {
        return false;
    }
    service_ns = offered_service_ns(manager, best);
    difference_ns = service_ns > listener->published_ns ? service_ns - listener->published_ns
                                                        : listener->published_ns - service_ns;
    return difference_ns > listener->published_ns / 8;
}

/* Tell the others what is news for them. A withdrawal is sent at once, as what they assign to it
 * waits in vain; an offer a period after the last one. */
static void publish_offer(struct manager *manager, struct listener *listener)
{
    struct listening_application *best = manager->balance.scheme->best(listener);

    if (!is_news(manager, listener, best)) {
        listener->is_offer_due = false; /* it was, and has changed back */
        return;
    }
    if (best != NULL) {
        uint64_t now = now_ns(manager);

        if (now < listener->next_offer_ns) {
            announce_later(manager, listener, listener->next_offer_ns);
            return;
        }
        listener->next_offer_ns = now + manager->offer_period_ns;
    }
    send_offer(manager, listener, best);
}

void manager_send_offers(struct manager *manager)
{
    manager->wake_ns = UINT64_MAX;
    for (struct listener *listener = listener_after(&manager->listeners, NULL); listener != NULL;
         listener = listener_after(&manager->listeners, listener)) {
        if (listener->is_offer_due) {
            publish_offer(manager, listener);
        }
    }
}

/* --- Service times --- */

/* A connection that has been open for four times as long as its application needs shows that it
 * needs longer by now: at least a quarter of that. Otherwise one whose connections do not close
 * any more would look fast for ever. By an eighth at least each time, so this is seldom true. */
static uint64_t shown_service_ns(const struct listening_application *application, uint64_t now)
{
    uint64_t shown_ns;

    if (application->unanswered_since_ns == 0) {
        return 0;
    }
    shown_ns = (now - application->unanswered_since_ns) / OVERDUE_FACTOR;
    return shown_ns < SERVICE_MAX_NS ? shown_ns : SERVICE_MAX_NS;
}

/* Before a connection is given to it; whether it is slower than it was thought to be. */
static bool notice_overdue(struct manager *manager, struct listener *listener,
                           struct listening_application *application, uint64_t now)
{
    uint64_t shown_ns = shown_service_ns(application, now);

    if (LIKELY(shown_ns <= application->service_ns + application->service_ns / 8) ||
        !manager->balance.scheme->has_weights) {
        return false;
    }
    application->is_overdue = true;
    listener_set_service(listener, application, shown_ns);
    balance_settle(&manager->balance, listener);
    /* A message may be under construction: the offer goes out by itself. */
    announce_later(manager, listener, now);
    return true;
}

/* A connection of it has closed after so long; 0: it was never told of it. */
static void learn_service(struct manager *manager, struct listener *listener,
                          struct listening_application *application, uint64_t service_ns)
{
    bool is_sampled;

    if (service_ns == 0) {
        return;
    }
    is_sampled = service_history_add(application->history, service_ns, now_ns(manager));
    if (!is_sampled && !application->is_overdue) {
        return;
    }
    application->is_overdue = false;
    listener_set_service(listener, application, service_history_median_ns(application->history));
    balance_settle(&manager->balance, listener);
    publish_offer(manager, listener);
}

/* --- Assignments --- */

/* Who gets the next connection of `ts`; counted as open. Its node is NODE_NONE for nobody. */
static struct acceptor take_acceptor(struct manager *manager, struct listener *listener,
                                     node_id_t ts)
{
    uint64_t now = now_ns(manager);
    struct choice choice = balance_choose(&manager->balance, listener);
    struct listening_application *application = choice.application;

    ASSERT_SLOW(ts < manager->configuration->node_count);
    if (application != NULL && UNLIKELY(notice_overdue(manager, listener, application, now))) {
        choice = balance_choose(&manager->balance, listener);
        application = choice.application;
    }
    if (application != NULL) {
        ASSERT_SLOW(application->is_accepting);
        if (application->unanswered_since_ns == 0) {
            application->unanswered_since_ns = now;
        }
        application->assigned_count++;
        application->outstanding++;
        application->outstanding_by_ts[ts]++;
        return acceptor_of(manager, application);
    }
    if (choice.offering_cm != NODE_NONE) {
        struct acceptor acceptor = listener->offers.known[choice.offering_cm].acceptor;

        ASSERT_SLOW(node_set_has(&listener->offers.offering, choice.offering_cm));
        acceptor.assigned_by = manager->node;
        return acceptor;
    }
    ASSERT_SLOW(!balance_is_anybody_ready(&manager->balance, listener));
    return nobody(manager);
}

/* A connection of `ts` with this acceptor has ended, or never came to be. Returns the application,
 * if it is still there. */
static struct listening_application *return_acceptor(struct manager *manager,
                                                     struct listener *listener,
                                                     const struct acceptor *acceptor, node_id_t ts)
{
    struct listening_application *application =
        listener_find_application(listener, acceptor->node, acceptor->listener_index);

    if (application == NULL) {
        return NULL;
    }
    application->unanswered_since_ns = 0;
    if (acceptor->assigned_by != manager->node) {
        /* Connections that another CM assigned were not counted here. */
        application->closed_for_others_count++;
    } else if (application->outstanding_by_ts[ts] != 0) {
        /* Else it has left and come back meanwhile: then the count began anew. */
        ASSERT_SLOW(application->outstanding >= application->outstanding_by_ts[ts]);
        application->outstanding_by_ts[ts]--;
        application->outstanding--;
    }
    return application;
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
            count(manager, COUNTER_DROP_BACKLOG_FULL);
        }
        refuse_connection(manager, &connection, listener->port);
    }
}

/* After an application or an offer has gone: tell the others, and give up a port that nobody
 * serves any more. */
static void settle(struct manager *manager, struct listener *listener)
{
    balance_settle(&manager->balance, listener);
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
    if (application->service_ns == 0) {
        listener_set_service(listener, application, balance_newcomers_service_ns(listener));
    }
    listener_add_acceptor(listener, application);
    balance_settle(&manager->balance, listener);
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
        application = return_acceptor(manager, listener, acceptor, from);
    }
    /* If the numbers differ, it has said since that it accepts, and would wait for ever if it were
     * dropped. */
    if (application != NULL && acceptor->request_number == application->request_number) {
        listener_remove_acceptor(listener, application);
        balance_settle(&manager->balance, listener);
        publish_offer(manager, listener);
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
        struct listening_application *application =
            return_acceptor(manager, listener, &closed->acceptor, from);

        if (application != NULL && application->is_own) {
            learn_service(manager, listener, application, closed->service_ns);
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
        count(manager, COUNTER_DROP_NO_MEMORY);
        return;
    }
    balance_set_offer(&manager->balance, listener, from, acceptor, offer->service_ns);
    place_waiting(manager, listener);
}

static void drop_offer(struct manager *manager, node_id_t from, uint16_t port)
{
    struct listener *listener = listener_find(&manager->listeners, port);

    if (listener != NULL) {
        balance_remove_offer(listener, from);
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
    start_ns = manager->environment->exact_now_ns(manager->context);
    count(manager, COUNTER_OFFERS_RECEIVED);
    if (offer->acceptor.node == NODE_NONE) {
        drop_offer(manager, from, offer->port);
    } else if (!configuration_is_dead(manager->configuration, offer->acceptor.node)) {
        take_offer(manager, from, offer);
    } /* else its CM will see it, too, and withdraws it then */
    count_offer_time(manager, start_ns);
}

/* --- Dead nodes --- */

static void withdraw_offers_of(struct manager *manager, struct listener *listener, node_id_t node)
{
    (void)manager;
    NODE_SET_EACH(&listener->offers.offering, cm)
    {
        if (cm == node || listener->offers.known[cm].acceptor.node == node) {
            balance_remove_offer(listener, (node_id_t)cm);
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
