/* SPDX-License-Identifier: MIT */
/*
 * Numbers from text.
 */
#include "libc/core/numbers.h"

#include <errno.h>
#include <stdbool.h>

#include "libc/core/assert.h"

#define CASE_BIT 0x20 /* set in ASCII's small letters, clear in its capitals */

int number_digit(char character, unsigned base)
{
    char small = (char)(character | CASE_BIT);
    int value = -1;

    CORE_ASSERT(base >= 2 && base <= NUMBER_BASE_MAX);
    if (character >= '0' && character <= '9') {
        value = character - '0';
    } else if (small >= 'a' && small <= 'z') {
        value = small - 'a' + 10;
    }
    return value < (int)base ? value : -1;
}

int number_take(const char **text, const char *end, unsigned base, uint64_t most, uint64_t *number)
{
    const char *at = *text;
    uint64_t value = 0;
    bool is_too_large = false;
    int digit;

    CORE_ASSERT(end == NULL || at <= end);
    for (; at != end && (digit = number_digit(*at, base)) >= 0; at++) {
        is_too_large |= __builtin_mul_overflow(value, base, &value);
        is_too_large |= __builtin_add_overflow(value, (unsigned)digit, &value);
        is_too_large |= value > most;
    }
    *number = is_too_large ? most : value;
    if (at == *text) {
        return -EINVAL;
    }
    *text = at;
    return is_too_large ? -ERANGE : 0;
}

int number_parse(const char *text, size_t length, unsigned base, uint64_t most, uint64_t *number)
{
    const char *end = text + length;
    int error = number_take(&text, end, base, most, number);

    if (text != end) {
        error = -EINVAL;
    }
    if (error != 0) {
        *number = 0;
    }
    return error;
}

/* The power of 1024 that a letter stands for, or 0. */
static unsigned power_of_unit(char letter)
{
    static const char letters[] = "kmgt";

    for (unsigned i = 0; letters[i] != '\0'; i++) {
        if ((letter | CASE_BIT) == letters[i]) {
            return i + 1;
        }
    }
    return 0;
}

int number_parse_size(const char *text, size_t length, uint64_t *number)
{
    unsigned power = length > 0 ? power_of_unit(text[length - 1]) : 0;
    uint64_t most = UINT64_MAX >> 10 * power;
    int error = number_parse(text, power > 0 ? length - 1 : length, 10, most, number);

    *number <<= 10 * power;
    return error;
}
