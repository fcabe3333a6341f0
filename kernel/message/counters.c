/* SPDX-License-Identifier: MIT */
/*
 * The kernel's own counters, and the check of everybody's.
 */
#include "kernel/message/counters.h"

#include "kernel/platform.h"

COUNTER_TABLE_DEFINE(kernel_counters, COUNTER_BLOCK(0), KERNEL_COUNTERS);

void counters_check(void)
{
    bool is_taken[COUNTER_MAX] = {false};

    LINKER_SET_EACH(counter_tables, struct counter_table, table)
    {
        for (unsigned i = 0; i < (*table)->count; i++) {
            unsigned counter = (*table)->first + i;

            ASSERT(counter < COUNTER_MAX && !is_taken[counter]);
            is_taken[counter] = true;
        }
    }
}
