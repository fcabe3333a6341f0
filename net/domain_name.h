/* SPDX-License-Identifier: MIT */
/*
 * Domain names as text (RFC 1035 2.3): labels of 1 to 63 characters with dots between, without one
 * at the end, in small letters. A label here is of printable ASCII but dots and backslashes, more
 * than host names may have (RFC 952): so no name needs escapes, and each is one text.
 */
#pragma once

#include "kernel/base.h"

#define DOMAIN_NAME_MAX_BYTES  253u /* without the zero at its end */
#define DOMAIN_LABEL_MAX_BYTES 63u
#define DOMAIN_NAME_BYTES      (DOMAIN_NAME_MAX_BYTES + 1)

/* Copy a name into `name`, in small letters and without the dot that may stand at its end. Whether
 * it is one; if not, what is in `name` is undefined. */
bool domain_name_copy(char name[DOMAIN_NAME_BYTES], const char *text, size_t bytes);

/* A character of a label, as names have it here; -1: none can have it. */
static inline int domain_name_character(uint8_t character)
{
    if (character >= 'A' && character <= 'Z') {
        return character - 'A' + 'a';
    }
    return character > ' ' && character <= '~' && character != '.' && character != '\\' ? character
                                                                                        : -1;
}

/* The name of in-addr.arpa that points to the name of an address in network byte order (RFC 1035
 * 3.5). */
void domain_name_of_address(char name[DOMAIN_NAME_BYTES], uint32_t address);
