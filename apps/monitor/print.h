/* SPDX-License-Identifier: MIT */
/*
 * Answers on the console.
 */
#pragma once

#include "kernel/base.h"

/* A line or less of it, at most 255 characters. */
PRINTF_LIKE(1, 2) void monitor_print(const char *format, ...);
