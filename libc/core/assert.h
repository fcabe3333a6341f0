/* SPDX-License-Identifier: MIT */
/*
 * Assertions of libc/core. A panic belongs to a layer above, which sets what a failure calls; until
 * then, and should that return, a failure executes an invalid instruction.
 */
#pragma once

#include "libc/core/base.h"

extern void (*core_assertion_failed)(const char *file, int line, const char *condition);

CALLED_FROM_OUTSIDE _Noreturn void core_fail(const char *file, int line, const char *condition);

#define CORE_ASSERT(condition)                                                                     \
    (LIKELY(condition) ? (void)0 : core_fail(__FILE__, __LINE__, #condition))

/* For checks that cost on the packet path. */
#define CORE_ASSERT_SLOW(condition)                                                                \
    do {                                                                                           \
        if (HAS_SLOW_CHECKS) {                                                                     \
            CORE_ASSERT(condition);                                                                \
        }                                                                                          \
    } while (0)
