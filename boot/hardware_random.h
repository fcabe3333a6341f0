/* SPDX-License-Identifier: MIT */
/*
 * The processor's generators (SDM 1, 7.3.17): RDSEED's numbers are noise that has been conditioned,
 * RDRAND's come from a generator that such noise seeds.
 *
 * Unit tests that play the processor define CPU_FAKE and supply the functions themselves.
 */
#pragma once

#include "libc/core/cpu.h"

#define CPUID_1_ECX_RDRAND BIT(30)
#define CPUID_7_EBX_RDSEED BIT(18)

/* Each is false when the generator has nothing at the moment; only on processors that have it. */
#ifdef CPU_FAKE
bool hardware_rdrand(uint64_t *value);
bool hardware_rdseed(uint64_t *value);
#else
static inline bool hardware_rdrand(uint64_t *value)
{
    bool is_valid;

    __asm__ volatile("rdrand %0" : "=r"(*value), "=@ccc"(is_valid));
    return is_valid;
}

static inline bool hardware_rdseed(uint64_t *value)
{
    bool is_valid;

    __asm__ volatile("rdseed %0" : "=r"(*value), "=@ccc"(is_valid));
    return is_valid;
}
#endif
