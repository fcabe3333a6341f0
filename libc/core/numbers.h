/* SPDX-License-Identifier: MIT */
/*
 * Numbers from text that comes from outside: digits only, without sign, blanks or prefix, and
 * never more than the caller has room for. strtol() and its kin (C11 7.22.1.4) stand on it.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "libc/core/base.h"

#define NUMBER_BASE_MAX 36u

/* What one digit is worth, letters of either case from 10 on; -1 if it is no digit of that base. */
int number_digit(char character, unsigned base);

/*
 * Take the digits at the start of a text.
 *
 * text   *text moves behind the digits
 * end    one past the text's last byte; NULL for a text that ends in a zero
 * base   2 to NUMBER_BASE_MAX
 * most   the largest number that is right
 *
 * Returns 0; -EINVAL when no digit stands there: *text stays and *number is 0; -ERANGE when the
 * number is larger than `most`: *text moves behind all its digits and *number is `most`.
 */
MUST_CHECK int number_take(const char **text, const char *end, unsigned base, uint64_t most,
                           uint64_t *number);

/*
 * The same for a text that is to be a number and nothing else; `length` bytes, no zero needed.
 * -EINVAL also when anything stands behind the digits. *number is 0 unless 0 is returned.
 */
MUST_CHECK int number_parse(const char *text, size_t length, unsigned base, uint64_t most,
                            uint64_t *number);

/*
 * The same in decimal with an optional unit behind it: K, M, G or T, in either case, for 1024 and
 * its powers. -ERANGE when the product exceeds 64 bits.
 */
MUST_CHECK int number_parse_size(const char *text, size_t length, uint64_t *number);
