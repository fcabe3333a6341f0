/* SPDX-License-Identifier: MIT */
/*
 * One round in which all compete (PIKA 5.3). The more CMs offer, the less stays with its own.
 */
#include "net/manager/balance/balance.h"

const struct balance_scheme balance_unfiltered = {
    .name = "unfiltered",
    .has_tariff = true,
    .has_weights = true,
    .filter = OFFERS_ALL,
    .choose = balance_draw_any,
    .best = balance_fastest_own,
};
