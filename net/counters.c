/* SPDX-License-Identifier: MIT */
/*
 * The names of this folder's counters.
 */
#include "net/counters.h"

#include "net/splice_counters.h"
#include "net/watching_counters.h"

COUNTER_TABLE_DEFINE(net_counters, NET_COUNTER_FIRST, NET_COUNTERS);
COUNTER_TABLE_DEFINE(splice_counters, SPLICE_COUNTER_FIRST, SPLICE_COUNTERS);
COUNTER_TABLE_DEFINE(watching_counters, WATCHING_COUNTER_FIRST, WATCHING_COUNTERS);
