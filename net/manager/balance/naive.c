/* SPDX-License-Identifier: MIT */
/*
 * No balance between CMs: as if each were a machine of its own (PIKA 5.3). A CM that has
 * applications lets connections wait rather than give them away.
 */
#include "net/manager/balance/balance.h"
#include "net/manager/listeners.h"

static struct choice choose(struct balance *balance, struct listener *listener)
{
    if (listener->first_acceptor == NULL) {
        return (struct choice){NULL, balance_draw_offer(balance, listener)};
    }
    return (struct choice){balance_draw_own(balance, listener), NODE_NONE};
}

const struct balance_scheme balance_naive = {
    .name = "naive",
    .takes_no_offers = true,
    .has_weights = true,
    .filter = OFFERS_LAST,
    .choose = choose,
    .best = balance_fastest_own,
};
