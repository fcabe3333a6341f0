/* SPDX-License-Identifier: MIT */
/*
 * Sequence numbers (RFC 9293 3.4) and times that wrap: compared by their signed difference. Two
 * that are 2^31 apart are neither before nor after each other.
 */
#pragma once

#include "kernel/base.h"

static inline bool sequence_is_before(uint32_t left, uint32_t right)
{
    return (int32_t)(left - right) < 0 && left - right != 0x80000000u;
}

static inline bool sequence_is_after(uint32_t left, uint32_t right)
{
    return sequence_is_before(right, left);
}

/* Whether `value` lies in [first, first + length). */
static inline bool sequence_is_within(uint32_t value, uint32_t first, uint32_t length)
{
    return value - first < length;
}

static inline bool time_has_come(uint32_t now_us, uint32_t deadline_us)
{
    return (int32_t)(now_us - deadline_us) >= 0;
}
