/* SPDX-License-Identifier: MIT */
/*
 * The names of this folder's counters.
 */
#include "drivers/console/counters.h"

COUNTER_TABLE_DEFINE(console_counters, CONSOLE_COUNTER_FIRST, CONSOLE_COUNTERS);
