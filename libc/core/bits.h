/* SPDX-License-Identifier: MIT */
/*
 * Bits and fields of registers, by the numbers that datasheets print. A field is its mask:
 * `#define SRRCTL_DESCTYPE BITS(27, 25)`; FIELD_PREP puts a value there, FIELD_GET takes it out.
 * Masks are constants of 64 bits, so that they serve registers of either width.
 */
#pragma once

#include <stdint.h>

#define BIT(index)      (UINT64_C(1) << (index))
#define BITS(high, low) ((~UINT64_C(0) >> (63 - (high))) & (~UINT64_C(0) << (low)))

#define FIELD_SHIFT(mask)       __builtin_ctzll(mask)
#define FIELD_PREP(mask, value) (((uint64_t)(value) << FIELD_SHIFT(mask)) & (mask))
#define FIELD_GET(mask, word)   (((uint64_t)(word) & (mask)) >> FIELD_SHIFT(mask))

_Static_assert(BITS(27, 25) == 0x0E000000 && BITS(63, 0) == UINT64_MAX, "both ends included");
_Static_assert(FIELD_PREP(BITS(27, 25), 5) == 0x0A000000, "shifted to the field's low end");
