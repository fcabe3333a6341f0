/* SPDX-License-Identifier: MIT */
/*
 * What the schemes have in common: their names, draws over our own acceptors and over offers.
 */
#include "net/manager/balance/balance.h"

#include <errno.h>
#include <string.h>

#include "libc/core/format.h"
#include "libc/core/numbers.h"
#include "net/manager/listeners.h"

static const struct balance_scheme *const schemes[] = {
    &balance_naive,      &balance_unfiltered, &balance_filtered,
    &balance_tournament, &balance_sharp,      &balance_least,
};

void balance_initialise(struct balance *balance, uint64_t seed)
{
    *balance = (struct balance){
        .scheme = &balance_tournament,
        .tariff = TARIFF_DEFAULT,
        .random = seed == 0 ? 1 : seed,
    };
}

static const struct balance_scheme *find_scheme(const char *name, size_t length)
{
    for (unsigned i = 0; i < ARRAY_COUNT(schemes); i++) {
        if (strlen(schemes[i]->name) == length && memcmp(schemes[i]->name, name, length) == 0) {
            return schemes[i];
        }
    }
    return NULL;
}

int balance_parse(struct balance *balance, const char *text, size_t length)
{
    const char *colon = memchr(text, ':', length);
    size_t name_length = colon == NULL ? length : (size_t)(colon - text);
    const struct balance_scheme *scheme = find_scheme(text, name_length);
    uint64_t tariff = scheme != NULL && scheme->has_tariff ? TARIFF_DEFAULT : 1;

    if (scheme == NULL) {
        return -EINVAL;
    }
    if (colon != NULL &&
        (!scheme->has_tariff ||
         number_parse(colon + 1, length - name_length - 1, 10, TARIFF_MAX, &tariff) != 0 ||
         tariff == 0)) {
        return -EINVAL;
    }
    balance->scheme = scheme;
    balance->tariff = (uint32_t)tariff;
    return 0;
}

void balance_print(const struct balance *balance, char *text, size_t size)
{
    if (balance->scheme->has_tariff) {
        (void)format_text(text, size, "%s:%u", balance->scheme->name, balance->tariff);
    } else {
        (void)format_text(text, size, "%s", balance->scheme->name);
    }
}

/* --- Our own acceptors --- */

struct listening_application *balance_draw_own(struct balance *balance,
                                               const struct listener *listener)
{
    struct listening_application *application = listener->first_acceptor;
    uint64_t point;

    if (application == listener->last_acceptor) {
        return application; /* one, or none */
    }
    point = weight_draw(&balance->random, listener->own_weight);
    while (point >= application->weight) {
        point -= application->weight;
        application = application->next_acceptor;
    }
    return application;
}

struct listening_application *balance_fastest_own(const struct listener *listener)
{
    struct listening_application *fastest = listener->fastest;
    struct listening_application *offered = listener->offered;

    /* Within an eighth. */
    if (offered != NULL && offered->is_accepting &&
        offered->service_ns <= fastest->service_ns + fastest->service_ns / 8) {
        return offered;
    }
    return fastest;
}

/* --- With offers --- */

node_id_t balance_draw_offer(struct balance *balance, const struct listener *listener)
{
    return offers_draw(&listener->offers, &balance->random);
}

struct choice balance_draw_any(struct balance *balance, struct listener *listener)
{
    uint64_t offered = offers_weight(&listener->offers);
    uint64_t total = listener->own_weight + offered;

    if (total == 0 || (offered != 0 && weight_draw(&balance->random, total) < offered)) {
        return (struct choice){NULL, balance_draw_offer(balance, listener)};
    }
    return (struct choice){balance_draw_own(balance, listener), NODE_NONE};
}

static bool may_take_offers(const struct balance *balance, const struct listener *listener)
{
    return !balance->scheme->takes_no_offers || listener->own_count == 0;
}

bool balance_is_anybody_ready(const struct balance *balance, const struct listener *listener)
{
    return listener->first_acceptor != NULL ||
           (!node_set_is_empty(&listener->offers.offering) && may_take_offers(balance, listener));
}

/* Whether draws leave it out: it is so much slower than the best of those that it competes with. */
static bool is_hardly_drawn(const struct listener *listener,
                            const struct listening_application *application)
{
    uint64_t best = listener->fastest->weight;

    if (listener->offers.counting_count != 0) {
        uint64_t average = offers_weight(&listener->offers) / listener->offers.counting_count;

        best = average > best ? average : best;
    }
    return application->weight < best / BALANCE_SAMPLE_SLOWNESS;
}

/* Any of our own acceptors. */
static struct listening_application *sample_own(struct balance *balance,
                                                const struct listener *listener)
{
    struct listening_application *application = listener->first_acceptor;

    for (uint64_t i = weight_draw(&balance->random, listener->acceptor_count); i != 0; i--) {
        application = application->next_acceptor;
    }
    return application;
}

struct choice balance_choose(struct balance *balance, struct listener *listener)
{
    struct listening_application *first = listener->first_acceptor;

    if (first == NULL) {
        return (struct choice){NULL, may_take_offers(balance, listener)
                                         ? balance->scheme->choose(balance, listener).offering_cm
                                         : NODE_NONE};
    }
    if (first == listener->last_acceptor && offers_weight(&listener->offers) == 0) {
        return (struct choice){first, NODE_NONE};
    }
    if (balance->scheme->has_weights &&
        weight_random(&balance->random) < UINT64_MAX / BALANCE_SAMPLE_SHARE) {
        struct listening_application *sample = sample_own(balance, listener);

        /* If it is overdue, what it has open will tell more than one more would. */
        if (!sample->is_overdue && is_hardly_drawn(listener, sample)) {
            return (struct choice){sample, NODE_NONE};
        }
    }
    return balance->scheme->choose(balance, listener);
}

void balance_settle(const struct balance *balance, struct listener *listener)
{
    offers_measure(&listener->offers, balance,
                   listener->fastest == NULL ? OFFERS_UNMEASURED : listener->fastest->service_ns);
}

void balance_set_offer(const struct balance *balance, struct listener *listener, node_id_t cm,
                       const struct acceptor *acceptor, uint64_t service_ns)
{
    offers_set(&listener->offers, balance, cm, acceptor, service_ns);
}

void balance_remove_offer(struct listener *listener, node_id_t cm)
{
    offers_remove(&listener->offers, cm);
}

uint64_t balance_newcomers_service_ns(const struct listener *listener)
{
    uint64_t fastest_ns = offers_fastest_ns(&listener->offers);

    if (listener->fastest != NULL && listener->fastest->service_ns < fastest_ns) {
        fastest_ns = listener->fastest->service_ns;
    }
    return fastest_ns == UINT64_MAX ? SERVICE_GUESS_NS : fastest_ns;
}
