/* SPDX-License-Identifier: MIT */
/*
 * Three rounds (PIKA 3.3, Figure 2): our own acceptors among each other, the offers that passed the
 * filter among each other, and the two winners. What an own one weighs against offers then does not
 * depend on how many CMs there are.
 *
 * `sharp` is the same, but in the last round a weight counts by its square. Who is as fast, or
 * nearly, keeps as much; who is ten times slower keeps a hundredth of his connections and not a
 * tenth: so slow ones are no longer what the last percent of all service times is made of
 * (tests/sim/, figure 7).
 */
#include "kernel/platform.h"
#include "net/manager/balance/balance.h"
#include "net/manager/listeners.h"

typedef bool (*last_round)(struct balance *balance, uint64_t own_weight, uint64_t offered_weight);

static struct choice hold(struct balance *balance, struct listener *listener,
                          last_round is_offer_the_winner)
{
    struct listening_application *own = balance_draw_own(balance, listener);
    node_id_t cm = balance_draw_offer(balance, listener);
    uint64_t offered_weight;

    if (own == NULL || cm == NODE_NONE) {
        return (struct choice){own, cm};
    }
    offered_weight = weight_tree_get(&listener->offers.weights, cm);
    ASSERT_SLOW(offered_weight != 0);
    if (is_offer_the_winner(balance, own->weight, offered_weight)) {
        return (struct choice){NULL, cm};
    }
    return (struct choice){own, NODE_NONE};
}

static bool draw(struct balance *balance, uint64_t own_weight, uint64_t offered_weight)
{
    return weight_draw(&balance->random, own_weight + offered_weight) < offered_weight;
}

static struct choice choose(struct balance *balance, struct listener *listener)
{
    return hold(balance, listener, draw);
}

/* Of the heavier one the first 31 bits count, so that the squares' sum fits. */
static bool draw_by_squares(struct balance *balance, uint64_t own_weight, uint64_t offered_weight)
{
    unsigned bits = 64 - (unsigned)__builtin_clzll(own_weight | offered_weight);
    unsigned shift = bits > 31 ? bits - 31 : 0;
    uint64_t own = own_weight >> shift, offered = offered_weight >> shift;

    return draw(balance, own * own, offered * offered);
}

static struct choice choose_sharply(struct balance *balance, struct listener *listener)
{
    return hold(balance, listener, draw_by_squares);
}

const struct balance_scheme balance_tournament = {
    .name = "tournament",
    .has_tariff = true,
    .has_weights = true,
    .filter = OFFERS_WATERMARKED,
    .choose = choose,
    .best = balance_fastest_own,
};

const struct balance_scheme balance_sharp = {
    .name = "sharp",
    .has_tariff = true,
    .has_weights = true,
    .filter = OFFERS_WATERMARKED,
    .choose = choose_sharply,
    .best = balance_fastest_own,
};
