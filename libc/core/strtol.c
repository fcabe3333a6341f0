/* SPDX-License-Identifier: MIT */
/*
 * The conversions from text of <stdlib.h> (C11 7.22.1).
 */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "libc/core/numbers.h"

struct parsed {
    uint64_t magnitude;
    bool is_negative;
    bool is_too_large;
};

static bool has_hex_prefix(const char *text)
{
    return text[0] == '0' && (text[1] == 'x' || text[1] == 'X') && isxdigit(text[2]);
}

/* Blanks, sign, prefix, digits, as C11 7.22.1.4 has them. *end: past the last digit, or `text`. */
static struct parsed parse_number(const char *text, char **end, int base)
{
    struct parsed parsed = {0};
    const char *at = text;

    if (end != NULL) {
        *end = (char *)(uintptr_t)text;
    }
    if (base < 0 || base == 1 || base > 36) {
        errno = EINVAL;
        return parsed;
    }
    while (isspace(*at)) {
        at++;
    }
    if (*at == '-' || *at == '+') {
        parsed.is_negative = *at == '-';
        at++;
    }
    if ((base == 0 || base == 16) && has_hex_prefix(at)) {
        at += 2;
        base = 16;
    } else if (base == 0) {
        base = *at == '0' ? 8 : 10;
    }
    int error = number_take(&at, NULL, (unsigned)base, UINT64_MAX, &parsed.magnitude);

    parsed.is_too_large = error == -ERANGE;
    if (end != NULL && error != -EINVAL) {
        *end = (char *)(uintptr_t)at;
    }
    return parsed;
}

long long strtoll(const char *restrict text, char **restrict end, int base)
{
    struct parsed parsed = parse_number(text, end, base);
    unsigned long long limit = (unsigned long long)LLONG_MAX + (parsed.is_negative ? 1 : 0);

    if (parsed.is_too_large || parsed.magnitude > limit) {
        errno = ERANGE;
        return parsed.is_negative ? LLONG_MIN : LLONG_MAX;
    }
    return (long long)(parsed.is_negative ? 0 - parsed.magnitude : parsed.magnitude);
}

unsigned long long strtoull(const char *restrict text, char **restrict end, int base)
{
    struct parsed parsed = parse_number(text, end, base);

    if (parsed.is_too_large) {
        errno = ERANGE;
        return ULLONG_MAX;
    }
    return parsed.is_negative ? 0 - parsed.magnitude : parsed.magnitude;
}

_Static_assert(sizeof(long) == sizeof(long long), "strtol() is strtoll()");

long strtol(const char *restrict text, char **restrict end, int base)
{
    return strtoll(text, end, base);
}

unsigned long strtoul(const char *restrict text, char **restrict end, int base)
{
    return strtoull(text, end, base);
}

int atoi(const char *text)
{
    return (int)strtol(text, NULL, 10);
}

long atol(const char *text)
{
    return strtol(text, NULL, 10);
}

long long atoll(const char *text)
{
    return strtoll(text, NULL, 10);
}
