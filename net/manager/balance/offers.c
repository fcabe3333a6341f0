/* SPDX-License-Identifier: MIT */
/*
 * The filter and its watermarks. An offer is weighed when it comes and when the reference moves,
 * never when a connection comes.
 */
#include "net/manager/balance/offers.h"

#include <string.h>

#include "kernel/platform.h"
#include "net/manager/balance/balance.h"

/* Where the low watermark lies: 4/3 of what the high one, the reference itself, lets pass. */
#define WATERMARK_LOW_NUMERATOR   4u
#define WATERMARK_LOW_DENOMINATOR 3u

void offers_initialise(struct offers *offers)
{
    memset(offers->weights.sums, 0, 2 * offers->weights.leaf_count * sizeof(uint64_t));
    offers->offering = offers->counting = (struct node_set){{0}};
    offers->counting_count = 0;
    offers->reference_ns = OFFERS_UNMEASURED;
}

/* Of an offer that counted before, or did not. */
static bool does_count(const struct offers *offers, const struct balance *balance,
                       uint64_t service_ns, bool did_count)
{
    uint64_t cost_ns = service_ns * balance->tariff;

    if (balance->scheme->filter == OFFERS_ALL || offers->reference_ns == OFFERS_UNMEASURED) {
        return true;
    }
    if (balance->scheme->filter == OFFERS_LAST || service_ns == 0) {
        return false;
    }
    if (balance->scheme->filter == OFFERS_WATERMARKED && did_count) {
        return cost_ns * WATERMARK_LOW_DENOMINATOR <=
               offers->reference_ns * WATERMARK_LOW_NUMERATOR;
    }
    return cost_ns < offers->reference_ns;
}

static uint64_t weight_of_offer(const struct offers *offers, const struct balance *balance,
                                uint64_t service_ns)
{
    if (service_ns != 0) {
        return weight_of(service_ns * balance->tariff);
    }
    if (offers->counting_count != 0) {
        return offers_weight(offers) / offers->counting_count;
    }
    return weight_of(
        (offers->reference_ns == OFFERS_UNMEASURED ? SERVICE_GUESS_NS : offers->reference_ns) *
        balance->tariff);
}

static void weigh(struct offers *offers, const struct balance *balance, node_id_t cm,
                  bool did_count)
{
    uint64_t service_ns = offers->known[cm].service_ns;
    bool counts = does_count(offers, balance, service_ns, did_count);

    if (node_set_has(&offers->counting, cm)) {
        node_set_remove(&offers->counting, cm);
        offers->counting_count--;
        weight_tree_set(&offers->weights, cm, 0);
    }
    if (counts) {
        weight_tree_set(&offers->weights, cm, weight_of_offer(offers, balance, service_ns));
        node_set_add(&offers->counting, cm);
        offers->counting_count++;
    }
}

void offers_set(struct offers *offers, const struct balance *balance, node_id_t cm,
                const struct acceptor *acceptor, uint64_t service_ns)
{
    offers->known[cm] = (struct known_offer){
        .acceptor = *acceptor,
        .service_ns = service_ns < SERVICE_MAX_NS ? service_ns : SERVICE_MAX_NS,
    };
    node_set_add(&offers->offering, cm);
    weigh(offers, balance, cm, node_set_has(&offers->counting, cm));
}

void offers_remove(struct offers *offers, node_id_t cm)
{
    node_set_remove(&offers->offering, cm);
    if (node_set_has(&offers->counting, cm)) {
        node_set_remove(&offers->counting, cm);
        offers->counting_count--;
        weight_tree_set(&offers->weights, cm, 0);
    }
}

/* By a sixteenth: so that a median that only trembles costs nothing. */
static bool is_about(uint64_t one_ns, uint64_t other_ns)
{
    uint64_t difference = one_ns > other_ns ? one_ns - other_ns : other_ns - one_ns;

    return difference <= other_ns / 16;
}

void offers_measure(struct offers *offers, const struct balance *balance, uint64_t reference_ns)
{
    /* While all counted for want of a reference, none had passed the filter. */
    bool was_measured = offers->reference_ns != OFFERS_UNMEASURED;

    if (reference_ns == offers->reference_ns ||
        (was_measured && reference_ns != OFFERS_UNMEASURED &&
         is_about(reference_ns, offers->reference_ns))) {
        return;
    }
    offers->reference_ns = reference_ns;
    if (balance->scheme->filter != OFFERS_ALL) {
        NODE_SET_EACH(&offers->offering, cm)
        {
            weigh(offers, balance, (node_id_t)cm,
                  was_measured && node_set_has(&offers->counting, cm));
        }
    }
}

uint64_t offers_fastest_ns(const struct offers *offers)
{
    uint64_t fastest_ns = UINT64_MAX;

    NODE_SET_EACH(&offers->offering, cm)
    {
        if (offers->known[cm].service_ns != 0 && offers->known[cm].service_ns < fastest_ns) {
            fastest_ns = offers->known[cm].service_ns;
        }
    }
    return fastest_ns;
}

node_id_t offers_draw(const struct offers *offers, uint64_t *random)
{
    uint64_t total = offers_weight(offers);
    unsigned cm;

    if (total == 0) {
        return NODE_NONE;
    }
    cm = weight_tree_at(&offers->weights, weight_draw(random, total));
    ASSERT_SLOW(node_set_has(&offers->offering, cm));
    return (node_id_t)cm;
}
