/* SPDX-License-Identifier: MIT */
/*
 * The fewest open connections. `outstanding` is the load; the acceptor list, in the order of last
 * choice, breaks ties.
 */
#include "kernel/platform.h"
#include "net/manager/balance/balance.h"
#include "net/manager/listeners.h"

/* The first of the least loaded is the one that has waited longest for its turn. */
static struct listening_application *choose_own(struct listener *listener)
{
    struct listening_application *best = listener->first_acceptor;

    if (best == NULL) {
        return NULL;
    }
    for (struct listening_application *other = best->next_acceptor; other != NULL;
         other = other->next_acceptor) {
        ASSERT_SLOW(other->is_accepting);
        if (other->outstanding < best->outstanding) {
            best = other;
        }
    }
    if (best != listener->last_acceptor) {
        listener_remove_acceptor(listener, best);
        listener_add_acceptor(listener, best);
    }
    return best;
}

/* The next CM that offers after the last one used, around the end. */
static node_id_t choose_offering_cm(struct listener *listener)
{
    const struct node_set *offering = &listener->offers.offering;
    unsigned cm = node_set_next(offering, listener->last_offer_used + 1u);

    if (cm == NODE_SET_LIMIT) {
        cm = node_set_next(offering, 0);
    }
    if (cm == NODE_SET_LIMIT) {
        return NODE_NONE;
    }
    listener->last_offer_used = (node_id_t)cm;
    return listener->last_offer_used;
}

static struct choice choose(struct balance *balance, struct listener *listener)
{
    struct choice choice = {choose_own(listener), NODE_NONE};

    (void)balance;
    if (choice.application == NULL) {
        choice.offering_cm = choose_offering_cm(listener);
    }
    return choice;
}

/* The one that is offered already as long as it accepts: each change costs a message to every CM.
 */
static struct listening_application *best(const struct listener *listener)
{
    struct listening_application *offered = listener->offered;

    return offered != NULL && offered->is_accepting ? offered : listener->first_acceptor;
}

const struct balance_scheme balance_least = {
    .name = "least",
    .filter = OFFERS_LAST,
    .choose = choose,
    .best = best,
};
