/* SPDX-License-Identifier: MIT */
/*
 * What a failed assertion of libc/core does.
 */
#include "libc/core/assert.h"

void (*core_assertion_failed)(const char *file, int line, const char *condition);

_Noreturn void core_fail(const char *file, int line, const char *condition)
{
    if (core_assertion_failed != NULL) {
        core_assertion_failed(file, line, condition);
    }
    __builtin_trap();
}
