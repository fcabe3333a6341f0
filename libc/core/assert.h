/* SPDX-License-Identifier: MIT */
/*
 * Assertions of libc/core. A panic belongs to a layer above, so a failure executes an invalid
 * instruction instead: on a node that exception is a panic with a backtrace, elsewhere the end of
 * the program.
 */
#pragma once

#define CORE_ASSERT(condition) ((condition) ? (void)0 : __builtin_trap())

/* For checks that cost on the packet path: on in unit tests only. */
#ifdef TALUS_SLOW_CHECKS
#define CORE_ASSERT_SLOW(condition) CORE_ASSERT(condition)
#else
#define CORE_ASSERT_SLOW(condition) ((void)0)
#endif
