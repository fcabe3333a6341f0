/* SPDX-License-Identifier: MIT */
/*
 * platform_panic() for tests of sources that ask the machine for nothing else: it fails the test,
 * unless it is expected:  expect_assert_failure(lower_half(-1));
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "kernel/platform.h"

_Noreturn void platform_panic(const char *file, int line, const char *format, ...)
{
    mock_assert(false, format, file, line);
    abort();
}
