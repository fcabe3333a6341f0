/* SPDX-License-Identifier: MIT */
/*
 * What the hardware has kept of its own errors, for the report of a node's end.
 */
#pragma once

#include "kernel/base.h"

#ifdef CPU_FAKE /* a unit test plays the processor */
void cpu_set_cr4(uint64_t bits);
#else
static inline void cpu_set_cr4(uint64_t bits)
{
    uint64_t value;

    __asm__ volatile("movq %%cr4, %0" : "=r"(value));
    __asm__ volatile("movq %0, %%cr4" : : "r"(value | bits) : "memory");
}
#endif

/* Whether it is a machine check for which another core has to answer. */
bool hardware_error_is_elsewhere(uint64_t vector);
/* Whether it is an NMI that another node says it has sent, or that can only be another node's. */
bool hardware_error_is_question(uint64_t vector);
/* Say what is known of a machine check or an NMI; of other exceptions nothing. */
void hardware_error_log(uint64_t vector);
