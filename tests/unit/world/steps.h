/* SPDX-License-Identifier: MIT */
/*
 * Instructions that a piece of a test executes: the same in each run, on any host, however busy.
 */
#pragma once

#include <stdint.h>

/* Of `function` and all that it calls, but not of the system calls; costs a microsecond or two
 * each. */
uint64_t steps_count(void (*function)(void));
