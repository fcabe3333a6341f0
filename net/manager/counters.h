/* SPDX-License-Identifier: MIT */
/*
 * What a connection manager counts beside net/counters.h.
 */
#pragma once

#include "kernel/message/counters.h"
#include "kernel/message/status.h"

/* clang-format off: a table */
/* X(ENUM, "name", "label or empty", "help") */
#define MANAGER_COUNTERS(X)                                                                        \
    X(OFFERS_SENT, "cm_offers_total", "direction=\"sent\"", "Offers between managers.")            \
    X(OFFERS_RECEIVED, "cm_offers_total", "direction=\"received\"", "Offers between managers.")    \
    X(OFFER_NS, "cm_offer_seconds_total", "", "Time that sending and receiving offers took.")      \
    X(OFFER_PERIOD_NS, "cm_offer_period_seconds", "", "Least time between two offers of a port.")
/* clang-format on */

#define MANAGER_COUNTER_FIRST COUNTER_BLOCK(7)

enum {
    MANAGER_COUNTER_FIRST_BEFORE = MANAGER_COUNTER_FIRST - 1,
    MANAGER_COUNTERS(COUNTER_ENUMERATOR)
};
