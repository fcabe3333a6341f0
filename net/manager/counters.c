/* SPDX-License-Identifier: MIT */
/*
 * Names for the connection manager's counters.
 */
#include "net/manager/counters.h"

COUNTER_TABLE_DEFINE(manager_counters, MANAGER_COUNTER_FIRST, MANAGER_COUNTERS);
