/* SPDX-License-Identifier: MIT */
/*
 * The names of this folder's counters.
 */
#include "drivers/nic/counters.h"

COUNTER_TABLE_DEFINE(nic_counters, NIC_COUNTER_FIRST, NIC_COUNTERS);
