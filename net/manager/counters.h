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
    X(OFFER_PERIOD_NS, "cm_offer_period_seconds", "", "Least time between two offers of a port.")  \
    X(OFFERED_SERVICE_NS, "cm_offered_service_seconds", "",                                        \
      "Service time in the last offer sent, 0 if it said none.")                                   \
    X(OFFERS_KNOWN, "cm_offers_known", "", "Offers of other managers that stand.")                 \
    X(CM_OVERDUE, "cm_overdue_total", "",                                                          \
      "Times that open connections showed an application to be slow.")
/* clang-format on */

#define MANAGER_COUNTER_FIRST COUNTER_BLOCK(7)

enum {
    MANAGER_COUNTER_FIRST_BEFORE = MANAGER_COUNTER_FIRST - 1,
    MANAGER_COUNTERS(COUNTER_ENUMERATOR)
};
