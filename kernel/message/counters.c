/* SPDX-License-Identifier: MIT */
/*
 * The names of the kernel's own counters.
 */
#include "kernel/message/counters.h"

COUNTER_TABLE_DEFINE(kernel_counters, COUNTER_BLOCK(0), KERNEL_COUNTERS);
