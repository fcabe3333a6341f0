/* SPDX-License-Identifier: MIT */
/*
 * Formatted text without floating point: flags `-0+ #`, width, precision, `*`, the length
 * modifiers hh h l ll z t j, conversions d i u x X o c s p %. As C11 7.21.6.12 says otherwise.
 */
#pragma once

#include <stdarg.h>
#include <stddef.h>

#include "libc/core/base.h"
#include "libc/core/output.h"

/* Add to a text that is put together piece by piece. */
void format_append_v(struct output *output, const char *format, va_list list) PRINTF_LIKE(2, 0);
void format_append(struct output *output, const char *format, ...) PRINTF_LIKE(2, 3);

/* Returns the length the whole text has, or -EOVERFLOW if that is no int; at most size - 1 bytes
 * and a zero are written. */
int format_text_v(char *text, size_t size, const char *format, va_list list) PRINTF_LIKE(3, 0);
int format_text(char *text, size_t size, const char *format, ...) PRINTF_LIKE(3, 4);
