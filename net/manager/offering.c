/* SPDX-License-Identifier: MIT */
/*
 * Offers of a manager to the others: when there is news, and no sooner than a period after the
 * last.
 */
#include "net/manager/offering.h"

#include "kernel/platform.h"
#include "net/manager/counters.h"
#include "net/manager/internal.h"

void offering_count_time(struct manager *manager, uint64_t start_ns)
{
    uint64_t end_ns = manager_exact_now_ns(manager);

    manager_count_many(manager, COUNTER_OFFER_NS, end_ns - start_ns);
}

/* 0 while it is a guess, or does not matter. */
static uint64_t offered_service_ns(const struct manager *manager,
                                   const struct listening_application *application)
{
    bool is_known = application->history->count != 0 || application->is_overdue;

    return is_known && manager->balance.scheme->has_weights ? application->service_ns : 0;
}

void offering_publish_later(struct manager *manager, struct listener *listener, uint64_t time_ns)
{
    listener->is_offer_due = true;
    if (time_ns < manager->wake_ns) {
        manager->wake_ns = time_ns;
        manager->environment->wake_at(time_ns, manager->context);
    }
}

/* As it stands in listener->published. */
static void post_offer(struct manager *manager, const struct listener *listener, node_id_t cm)
{
    struct offer *message = manager_reserve_posted(manager, cm, OFFER, sizeof(*message));

    message->acceptor = listener->published;
    message->port = listener->port;
    message->service_ns = listener->published_ns;
    manager_publish(manager);
}

void offering_tell(struct manager *manager, node_id_t cm)
{
    for (struct listener *listener = listener_after(&manager->listeners, NULL); listener != NULL;
         listener = listener_after(&manager->listeners, listener)) {
        if (listener->published.node != NODE_NONE) {
            post_offer(manager, listener, cm);
            manager_count(manager, COUNTER_OFFERS_SENT);
        }
    }
}

static void send_offer(struct manager *manager, struct listener *listener,
                       struct listening_application *best)
{
    const struct acceptor acceptor =
        best == NULL ? manager_nobody(manager) : manager_acceptor_of(manager, best);
    uint64_t start_ns = manager_exact_now_ns(manager);
    unsigned sent_count = 0;

    ASSERT(best == NULL || best->is_accepting);
    listener->published = acceptor;
    listener->published_ns = best == NULL ? 0 : offered_service_ns(manager, best);
    listener->offered = best;
    listener->is_offer_due = false;
    for (unsigned i = 0; i < manager->configuration->cm_count; i++) {
        node_id_t cm = manager->configuration->cm[i];

        if (cm != manager->node && !configuration_is_dead(manager->configuration, cm)) {
            post_offer(manager, listener, cm);
            sent_count++;
        }
    }
    manager_count_many(manager, COUNTER_OFFERS_SENT, sent_count);
    manager_set_gauge(manager, COUNTER_OFFERED_SERVICE_NS, listener->published_ns);
    offering_count_time(manager, start_ns);
}

/* What another CM would not know yet: another acceptor, or a service time that differs by more than
 * an eighth. */
static bool is_news(const struct manager *manager, const struct listener *listener,
                    const struct listening_application *best)
{
    const struct acceptor *published = &listener->published;
    const struct acceptor acceptor =
        best == NULL ? manager_nobody(manager) : manager_acceptor_of(manager, best);
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

void offering_publish(struct manager *manager, struct listener *listener)
{
    struct listening_application *best = manager->balance.scheme->best(listener);

    if (!is_news(manager, listener, best)) {
        listener->is_offer_due = false; /* it was, and has changed back */
        return;
    }
    if (best != NULL) {
        uint64_t now = manager_now_ns(manager);

        if (now < listener->next_offer_ns) {
            offering_publish_later(manager, listener, listener->next_offer_ns);
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
            offering_publish(manager, listener);
        }
    }
}
