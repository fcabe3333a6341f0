/* SPDX-License-Identifier: MIT */
/*
 * Kinds of errors, and Linux's numbers.
 */
#include "apps/webswamp/errors.h"

#include <errno.h>

#define LOAD_ERROR_TEXT(enumerator, text) text,

static const char *const texts[] = {LOAD_ERRORS(LOAD_ERROR_TEXT)};

enum load_error load_error_of(int error_number, bool is_opening)
{
    switch (error_number) {
    case ECONNREFUSED:
        return LOAD_ERROR_REFUSED;
    case EHOSTUNREACH:
    case ENETUNREACH:
    case EHOSTDOWN:
    case ENETDOWN:
        return LOAD_ERROR_UNREACHABLE;
    case ETIMEDOUT:
        return is_opening ? LOAD_ERROR_CONNECT_TIMEOUT : LOAD_ERROR_TIMEOUT;
    case ECONNRESET:
    case ECONNABORTED:
    case EPIPE:
        return LOAD_ERROR_RESET;
    default:
        return LOAD_ERROR_LOCAL;
    }
}

const char *load_error_text(enum load_error error)
{
    return texts[error];
}
