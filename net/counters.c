/* SPDX-License-Identifier: MIT */
/*
 * The names of this folder's counters.
 */
#include "net/counters.h"

COUNTER_TABLE_DEFINE(net_counters, NET_COUNTER_FIRST, NET_COUNTERS);
