/* SPDX-License-Identifier: MIT */
/*
 * The command line: `key=value` words; `--` ends the kernel's words and starts the
 * application's. Read in place, never changed.
 */
#pragma once

#include "libc/core/base.h"

/*
 * The value of the last `key=value` word before `--`.
 * Returns the length of the value and sets *value (not zero-terminated), or -ENOENT.
 */
int command_line_find(const char *line, const char *key, const char **value);
/*
 * The same for words that may come several times: the next `key=value` word from *cursor on, which
 * starts as the line and moves behind it. Returns the length, or -ENOENT after the last.
 */
int command_line_next(const char **cursor, const char *key, const char **value);
/* A value that is a decimal number, 0 .. most. Returns 0, or leaves *value alone: -ENOENT, or
 * -EINVAL for one that is none. */
MUST_CHECK int command_line_number(const char *line, const char *key, uint64_t most,
                                   uint64_t *value);
/* Copy of the value, zero-terminated. Returns its length, -ENOENT, or -ENAMETOOLONG if it does not
 * fit. */
MUST_CHECK int command_line_copy(const char *line, const char *key, char *text, size_t size);
/* The next word from *cursor on, before `--`, whose key is not in `known` (NULL-terminated), or
 * that has no value. Returns its length and sets *text, or -ENOENT after the last. */
int command_line_next_unknown(const char **cursor, const char *const *known, const char **text);
