/* SPDX-License-Identifier: MIT */
/*
 * Connections given to acceptors and come back from them, and what that tells of their service
 * times.
 */
#include "net/manager/acceptors.h"

#include "kernel/platform.h"
#include "net/manager/counters.h"
#include "net/manager/internal.h"
#include "net/manager/offering.h"

/* --- Service times --- */

/* How slow its open connections show it to be; 0 if that is within what is usual. */
static uint64_t shown_service_ns(const struct listening_application *application, uint64_t now)
{
    uint64_t open_ns, shown_ns;

    if (application->unanswered_since_ns == 0) {
        return 0;
    }
    open_ns = now - application->unanswered_since_ns;
    if (LIKELY(open_ns <= OVERDUE_FACTOR * application->usual_gap_ns)) {
        return 0;
    }
    shown_ns = open_ns / OVERDUE_FACTOR;
    return shown_ns < SERVICE_MAX_NS ? shown_ns : SERVICE_MAX_NS;
}

/* Before a connection is given to it: whether it is slower than it was thought to be. By an eighth
 * at least each time, so this is seldom true. */
static bool notice_overdue(struct manager *manager, struct listener *listener,
                           struct listening_application *application, uint64_t now)
{
    uint64_t shown_ns = shown_service_ns(application, now);

    if (LIKELY(shown_ns <= application->service_ns + application->service_ns / 8) ||
        !manager->balance.scheme->has_weights) {
        return false;
    }
    if (!application->is_overdue) {
        application->is_overdue = true;
        manager_count(manager, COUNTER_CM_OVERDUE);
    }
    listener_set_service(listener, application, shown_ns);
    balance_settle(&manager->balance, listener);
    /* A message may be under construction: the offer goes out by itself. */
    offering_publish_later(manager, listener, now);
    return true;
}

/* From the first assignment since the last close until this one: the longest of late. */
static void learn_gap(struct listening_application *application, uint64_t now)
{
    uint64_t gap_ns = now - application->unanswered_since_ns;

    application->usual_gap_ns -= application->usual_gap_ns / 16;
    if (application->unanswered_since_ns != 0 && gap_ns > application->usual_gap_ns) {
        application->usual_gap_ns = gap_ns;
    }
}

/* A connection of it has closed after so long, which is not 0. */
static void learn_service(struct manager *manager, struct listener *listener,
                          struct listening_application *application, uint64_t service_ns)
{
    uint64_t now = manager_now_ns(manager);
    bool was_overdue = application->is_overdue;
    bool was_guess = application->history->count == 0;
    uint64_t median_ns, needed_ns;

    if (service_ns > SERVICE_MAX_NS) {
        service_ns = SERVICE_MAX_NS;
    }
    (void)service_history_add(application->history, service_ns, now); /* one in a while */
    median_ns = service_history_median_ns(application->history);
    application->is_overdue = was_overdue && service_ns / OVERDUE_FACTOR > median_ns;
    if (!application->is_overdue) {
        learn_gap(application, now);
    }
    application->unanswered_since_ns = 0;
    needed_ns = application->is_overdue ? service_ns : median_ns;
    if (needed_ns != application->service_ns || was_guess) {
        listener_set_service(listener, application, needed_ns);
        balance_settle(&manager->balance, listener);
        offering_publish(manager, listener);
    }
}

/* --- Assignments --- */

void acceptors_add_grants(struct listening_application *application, unsigned count)
{
    unsigned sum = application->granted_count + count;

    application->granted_count = (uint8_t)(sum < GRANT_MAX ? sum : GRANT_MAX);
}

static uint8_t take_grant(struct listening_application *application)
{
    if (application->granted_count == 0) {
        return GRANT_NONE;
    }
    application->granted_count--;
    return application->wants_data ? GRANT_WITH_DATA : GRANT_AT_ONCE;
}

/* An application of this CM's: counted as open. */
static void assign_to(const struct manager *manager, struct listening_application *application,
                      node_id_t ts, bool is_new, struct acceptor *acceptor)
{
    ASSERT_SLOW(application->is_accepting && ts < manager->configuration->node_count);
    application->assigned_count++;
    application->outstanding++;
    application->outstanding_by_ts[ts]++;
    acceptor->node = application->node;
    acceptor->listener_index = (uint8_t)application->listener_index;
    acceptor->grant = is_new ? take_grant(application) : GRANT_NONE;
    acceptor->cm = acceptor->assigned_by = manager->node;
    acceptor->request_number = application->request_number;
}

/* Inline: once for each connection. */
__attribute__((always_inline)) inline void acceptors_take(struct manager *manager,
                                                          struct listener *listener, node_id_t ts,
                                                          bool is_new, struct acceptor *acceptor)
{
    uint64_t now = manager_now_ns(manager);
    struct choice choice = balance_choose(&manager->balance, listener);
    struct listening_application *application = choice.application;

    if (application != NULL && UNLIKELY(notice_overdue(manager, listener, application, now))) {
        choice = balance_choose(&manager->balance, listener);
        application = choice.application;
    }
    if (application != NULL) {
        if (application->unanswered_since_ns == 0) {
            application->unanswered_since_ns = now;
        }
        assign_to(manager, application, ts, is_new, acceptor);
    } else if (choice.offering_cm != NODE_NONE) {
        ASSERT_SLOW(node_set_has(&listener->offers.offering, choice.offering_cm));
        *acceptor = listener->offers.known[choice.offering_cm].acceptor;
        acceptor->assigned_by = manager->node;
        acceptor->grant = GRANT_NONE; /* its own CM alone knows what is left */
    } else {
        ASSERT_SLOW(!balance_is_anybody_ready(&manager->balance, listener));
        *acceptor = manager_nobody(manager);
    }
}

/* One connection less is open, if it was counted. */
static void take_back(const struct manager *manager, struct listening_application *application,
                      node_id_t assigned_by, node_id_t ts)
{
    /* What another CM assigned was not counted here. And it may have left and come back meanwhile:
     * then the count began anew, and nothing is counted before it asks for connections. */
    if (application->is_own && assigned_by == manager->node &&
        application->outstanding_by_ts[ts] != 0) {
        ASSERT_SLOW(application->outstanding >= application->outstanding_by_ts[ts]);
        application->outstanding_by_ts[ts]--;
        application->outstanding--;
    }
}

void acceptors_return(const struct manager *manager, struct listening_application *application,
                      node_id_t assigned_by, node_id_t ts)
{
    take_back(manager, application, assigned_by, ts);
    if (application->outstanding == 0) {
        application->unanswered_since_ns = 0;
    }
}

void acceptors_close(struct manager *manager, struct listener *listener,
                     struct listening_application *application, node_id_t assigned_by, node_id_t ts,
                     uint64_t service_ns)
{
    ASSERT(service_ns != 0);
    take_back(manager, application, assigned_by, ts);
    if (!application->is_own) {
        return;
    }
    if (assigned_by != manager->node) {
        application->closed_for_others_count++;
    }
    learn_service(manager, listener, application, service_ns);
}
