/* SPDX-License-Identifier: MIT */
/*
 * One round with those offers that beat our own acceptors, in spite of the tariff (PIKA 5.3). While
 * all are as fast, everything stays with its own CM.
 */
#include "net/manager/balance/balance.h"

const struct balance_scheme balance_filtered = {
    .name = "filtered",
    .has_tariff = true,
    .has_weights = true,
    .filter = OFFERS_FASTER,
    .choose = balance_draw_any,
    .best = balance_fastest_own,
};
