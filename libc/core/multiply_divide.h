/* SPDX-License-Identifier: MIT */
/*
 * A ratio of a number of 64 bits, with 128 bits in between: for rates and times.
 */
#pragma once

#include <stdint.h>

/* value * multiplier / divisor. A result that does not fit 64 bits faults. */
static inline uint64_t multiply_divide(uint64_t value, uint64_t multiplier, uint64_t divisor)
{
    uint64_t quotient, high;

    __asm__("mulq %3; divq %4"
            : "=&a"(quotient), "=&d"(high)
            : "0"(value), "r"(multiplier), "r"(divisor)
            : "cc");
    return quotient;
}
