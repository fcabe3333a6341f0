/* SPDX-License-Identifier: MIT */
/*
 * Assertions. assert() is always on; it stands where it runs once for a file, a connection or a
 * refusal. check() stands where it would cost on each request; it is on in unit tests and in the
 * sanitized program for Linux.
 */
#pragma once

#include <assert.h>

#ifdef TALUS_SLOW_CHECKS
#define check(condition) assert(condition)
#else
#define check(condition) ((void)0)
#endif
