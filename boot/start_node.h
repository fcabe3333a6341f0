/* SPDX-License-Identifier: MIT */
/*
 * Starting the other cores by INIT and SIPI (SDM 3A 8.4.4.1): each is called and says whether it is
 * there, so that memory is shared out among those that are, and halts; then each is sent into its
 * node. The waits of all cores overlap.
 */
#pragma once

/* The table behind the trampoline's code, shared with trampoline.S. */
#define START_CORE_APIC_ID 0
#define START_CORE_STATE   4
#define START_CORE_ROOT    8
#define START_CORE_STACK   16
#define START_CORE_BYTES   24
#define START_CORE_MAX     64

#define START_CORE_CALLED  0
#define START_CORE_PRESENT 1
#define START_CORE_ENTERED 2

#ifndef __ASSEMBLER__

#include "kernel/base.h"

#define INIT_WAIT_US 10000u /* from INIT to the first SIPI: SDM 3A 8.4.4.1 */

/* Put the trampoline into a free page below 1 MiB, with the APIC ids of the cores to call. */
void start_node_prepare(paddr_t page, paddr_t boot_root, const uint32_t *apic_ids, unsigned count);
/* Reset all of them. Ten milliseconds later at the earliest: start_node_call(). */
void start_node_reset(void);
/* Call all of them. Returns when all have answered, or after a while; is_present[i] says who has.
 */
void start_node_call(bool *is_present);
/* Send core `index`, which has answered, into its node. */
void start_node_enter(unsigned index, paddr_t root, uintptr_t stack_top);
/* Whether it has left the trampoline; waits a while for it. */
bool start_node_wait_entered(unsigned index);

#endif
