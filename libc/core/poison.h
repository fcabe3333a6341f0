/* SPDX-License-Identifier: MIT */
/*
 * Released memory in builds with slow checks: filled with one pattern, which must still stand there
 * when the memory is allocated again, so that a write after the release is found; and filled with
 * another when it is allocated, so that nobody lives on what was there before. Elsewhere both
 * cost nothing. Whole words only.
 */
#pragma once

#include "libc/core/base.h"

/* Like nothing that somebody fills memory with: also a second release is found by it. */
#define POISON_RELEASED 0xF4EEDF4EEDF4EEDDull
#define POISON_NEW      0xA5A5A5A5A5A5A5A5ull

static inline void poison(void *start, size_t bytes, uint64_t pattern)
{
    uint64_t *words = start;

    for (size_t i = 0; HAS_SLOW_CHECKS && i < bytes / sizeof(*words); i++) {
        words[i] = pattern;
    }
}

/* For ASSERT_SLOW. */
static inline bool is_poisoned(const void *start, size_t bytes)
{
    const uint64_t *words = start;

    for (size_t i = 0; i < bytes / sizeof(*words); i++) {
        if (words[i] != POISON_RELEASED) {
            return false;
        }
    }
    return true;
}
