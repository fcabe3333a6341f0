/* SPDX-License-Identifier: MIT */
/* Comparison of ASCII text without regard to case (POSIX). */
#pragma once

#include <stddef.h>

int strcasecmp(const char *left, const char *right);
int strncasecmp(const char *left, const char *right, size_t limit);
