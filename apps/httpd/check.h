/* SPDX-License-Identifier: MIT */
/*
 * Assertions: assert() where a failure is found once for a file, a connection or a refusal, and
 * check() on the way of each request: that one is on in unit tests and in the sanitized program
 * for Linux only.
 */
#pragma once

#include <assert.h>

#ifdef TALUS_SLOW_CHECKS
#define check(condition) assert(condition)
#else
#define check(condition) ((void)0)
#endif
