/* SPDX-License-Identifier: MIT */
/*
 * Three rounds (PIKA 3.3, Figure 2): our own acceptors among each other, the offers that passed the
 * filter among each other, and the two winners. What an own one weighs against offers then does not
 * depend on how many CMs there are.
 */
#include "kernel/platform.h"
#include "net/manager/balance/balance.h"
#include "net/manager/listeners.h"

static struct choice choose(struct balance *balance, struct listener *listener)
{
    struct listening_application *own = balance_draw_own(balance, listener);
    node_id_t cm = balance_draw_offer(balance, listener);
    uint64_t offered_weight;

    if (own == NULL || cm == NODE_NONE) {
        return (struct choice){own, cm};
    }
    offered_weight = weight_tree_get(&listener->offers.weights, cm);
    ASSERT_SLOW(offered_weight != 0);
    if (weight_draw(&balance->random, own->weight + offered_weight) < offered_weight) {
        return (struct choice){NULL, cm};
    }
    return (struct choice){own, NODE_NONE};
}

const struct balance_scheme balance_tournament = {
    .name = "tournament",
    .has_tariff = true,
    .has_weights = true,
    .filter = OFFERS_WATERMARKED,
    .choose = choose,
    .best = balance_fastest_own,
};
