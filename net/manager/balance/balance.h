/* SPDX-License-Identifier: MIT */
/*
 * Load balance (PIKA 3.3 and 5.3): who gets the next connection of a port. One interface; each
 * scheme is a file in this folder, but for sharp, which shares the tournament's.
 *
 *   naive          our own applications only: a CM that has some takes no offer
 *   unfiltered:T   one draw over our own acceptors and all offers
 *   filtered:T     the same over those offers that beat our own acceptors
 *   tournament:T   our own among each other, such offers among each other, then winner against
 *                  winner; two marks keep an offer from passing the filter to and fro
 *   sharp:T        the same, with squares in the last round: ours, not the paper's
 *   least          no service times: the fewest open connections; an offer only without an acceptor
 *
 * Whoever is drawn is drawn by the inverse of his service time; an offer's time is multiplied by
 * the tariff T. A CM without acceptors of its own draws among all offers. An acceptor of our own
 * that is so slow that it is hardly drawn gets one connection in BALANCE_SAMPLE_SHARE all the same,
 * or its part of that, so that its recovery is seen.
 *
 * Cost of a choice: with one acceptor and no offer that counts, two looks; else a step for each of
 * our own acceptors of the port, and log2(nodes) for the offers. Which offers pass the filter is
 * kept as they come, and looked at anew only when the fastest of our own has changed by 1/16.
 */
#pragma once

#include "kernel/base.h"
#include "net/manager/balance/weights.h"

struct acceptor;
struct listener;
struct listening_application;

#define TARIFF_DEFAULT          2u
/* Of an application of which nothing is known, when nothing is known of any. Short: what is slower
 * than that is seen soon (service.h, overdue), and until then connections stay with their CM. */
#define SERVICE_GUESS_NS        (10 * NS_PER_US)
#define BALANCE_SAMPLE_SHARE    64u
/* So many times slower, with the tariff, than the fastest of our own and than the average offer. */
#define BALANCE_SAMPLE_SLOWNESS 16u

struct choice {
    struct listening_application *application; /* one of our own acceptors, or NULL */
    node_id_t offering_cm;                     /* else the CM whose offer to take, or NODE_NONE */
};

enum offer_filter {
    OFFERS_LAST,        /* none counts while we have an acceptor */
    OFFERS_ALL,         /* each counts */
    OFFERS_FASTER,      /* with the tariff it is faster than the fastest of our own */
    OFFERS_WATERMARKED, /* the same to come in; to stay in, not slower than that by a third */
};

struct balance;

struct balance_scheme {
    const char *name;
    bool has_tariff;
    bool takes_no_offers; /* unless this CM has no application of its own */
    bool has_weights;     /* service times matter, and see BALANCE_SAMPLE_SHARE */
    enum offer_filter filter;
    /* Who gets the next connection. Somebody, if balance_is_anybody_ready(). */
    struct choice (*choose)(struct balance *balance, struct listener *listener);
    /* Whom to offer to the other CMs; NULL for nobody. Changes nothing. */
    struct listening_application *(*best)(const struct listener *listener);
};

extern const struct balance_scheme balance_naive, balance_unfiltered, balance_filtered,
    balance_tournament, balance_sharp, balance_least;

/* What a CM balances by. */
struct balance {
    const struct balance_scheme *scheme;
    uint32_t tariff; /* 1 .. TARIFF_MAX */
    uint64_t random; /* the state of weight_random() */
};

/* The default, drawing from `seed` (any). */
void balance_initialise(struct balance *balance, uint64_t seed);
/* Of a text like `tournament:2`: a scheme, and a tariff if it has one (else TARIFF_DEFAULT).
 * Returns 0, or -EINVAL and changes nothing. */
MUST_CHECK int balance_parse(struct balance *balance, const char *text, size_t length);
/* The same text again, with the tariff. Cut to `size` bytes. */
void balance_print(const struct balance *balance, char *text, size_t size);

/* Whether a connection can be given to somebody now. */
bool balance_is_anybody_ready(const struct balance *balance, const struct listener *listener);
/* Who gets the next connection; it counts as their turn. Neither: nobody is ready. */
struct choice balance_choose(struct balance *balance, struct listener *listener);

/* After our own acceptors, or what they are worth, may have changed. */
void balance_settle(const struct balance *balance, struct listener *listener);
/* The offer of another CM, with its service time (any; 0: unknown); and none any more. */
void balance_set_offer(const struct balance *balance, struct listener *listener, node_id_t cm,
                       const struct acceptor *acceptor, uint64_t service_ns);
void balance_remove_offer(struct listener *listener, node_id_t cm);

/* What a newcomer's service time is guessed to be until its first connection has closed: that of
 * the fastest that is known, so that it is tried. */
uint64_t balance_newcomers_service_ns(const struct listener *listener);

/* --- For the schemes --- */

/* One of our own acceptors, drawn by weight; NULL when there is none. */
struct listening_application *balance_draw_own(struct balance *balance,
                                               const struct listener *listener);
/* One of the offers that count, likewise; NODE_NONE when there is none. */
node_id_t balance_draw_offer(struct balance *balance, const struct listener *listener);
/* One draw over both. */
struct choice balance_draw_any(struct balance *balance, struct listener *listener);
/* The fastest of our own, or the one that is offered already if it is hardly slower: each change
 * costs a message to every CM. */
struct listening_application *balance_fastest_own(const struct listener *listener);
