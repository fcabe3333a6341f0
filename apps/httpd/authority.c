/* SPDX-License-Identifier: MIT */
/*
 * The grammar of RFC 3986 3.2.2 and 3.2.3.
 */
#include "apps/httpd/authority.h"

#include <ctype.h>
#include <stdint.h>
#include <string.h>

#include "libc/core/numbers.h"

#define IPV6_GROUP_COUNT 8
#define IPV4_GROUP_COUNT 2 /* so many groups of 16 bits are an IPv4 address */

/* Sub-delimiters and unreserved characters, as bits: a name is made of these and of escapes. */
static const uint64_t name_characters[4] = {
    0x2BFF7FD200000000, /* ! $ & ' ( ) * + , - . digits ; = */
    0x47FFFFFE87FFFFFE, /* letters _ ~ */
};

static bool is_name_character(char character)
{
    unsigned char byte = (unsigned char)character;

    return (name_characters[byte / 64] >> byte % 64 & 1) != 0;
}

static bool is_name_good(const char *at, const char *end)
{
    if (at == end) {
        return false;
    }
    for (; at < end; at++) {
        if (*at == '%' && end - at > 2 && isxdigit((unsigned char)at[1]) &&
            isxdigit((unsigned char)at[2])) {
            at += 2;
        } else if (!is_name_character(*at)) {
            return false;
        }
    }
    return true;
}

/* Four numbers up to 255, with dots, without zeros in front. */
static bool is_ipv4_good(const char *at, const char *end)
{
    for (int i = 0; i < 4; i++) {
        const char *start = at;
        uint64_t number;

        if (number_take(&at, end, 10, UINT8_MAX, &number) != 0 ||
            (*start == '0' && at - start > 1)) {
            return false;
        }
        if (i < 3 && (at == end || *at++ != '.')) {
            return false;
        }
    }
    return at == end;
}

/* Groups of one to four digits, with colons; two colons stand, once, for groups of zeros; the last
 * two groups may be written as an IPv4 address. */
static bool is_ipv6_good(const char *at, const char *end)
{
    bool has_gap = false;
    int count = 0;

    if (end - at >= 2 && at[0] == ':' && at[1] == ':') {
        has_gap = true;
        at += 2;
    }
    while (at < end) {
        const char *start = at;

        while (at < end && isxdigit((unsigned char)*at)) {
            at++;
        }
        if (at < end && *at == '.') {
            count += IPV4_GROUP_COUNT;
            if (!is_ipv4_good(start, end)) {
                return false;
            }
            break;
        }
        count++;
        if (at == start || at - start > 4) {
            return false;
        }
        if (at == end) {
            break;
        }
        if (*at++ != ':' || at == end) {
            return false;
        }
        if (*at == ':') {
            if (has_gap) {
                return false;
            }
            has_gap = true;
            at++;
        }
    }
    return has_gap ? count < IPV6_GROUP_COUNT : count == IPV6_GROUP_COUNT;
}

/* What future versions of IP may look like: `v1.anything`. */
static bool is_future_good(const char *at, const char *end)
{
    const char *version = ++at;

    while (at < end && isxdigit((unsigned char)*at)) {
        at++;
    }
    if (at == version || at == end || *at++ != '.' || at == end) {
        return false;
    }
    while (at < end && (*at == ':' || is_name_character(*at))) {
        at++;
    }
    return at == end;
}

/* An empty port is none. */
static bool is_port_good(const char *at, const char *end)
{
    uint64_t port;

    return at == end || (number_take(&at, end, 10, UINT16_MAX, &port) == 0 && at == end);
}

bool authority_is_good(const char *text, size_t bytes)
{
    const char *end = text + bytes;
    const char *host_end;
    bool is_host_good;

    if (bytes > 0 && *text == '[') {
        host_end = memchr(text, ']', bytes);
        if (host_end == NULL) {
            return false;
        }
        const char *address = text + 1;
        is_host_good = *address == 'v' || *address == 'V' ? is_future_good(address, host_end)
                                                          : is_ipv6_good(address, host_end);
        host_end++;
    } else {
        const char *colon = memchr(text, ':', bytes);
        host_end = colon != NULL ? colon : end;
        is_host_good = is_name_good(text, host_end);
    }
    return is_host_good &&
           (host_end == end || (*host_end == ':' && is_port_good(host_end + 1, end)));
}

size_t authority_host_bytes(const char *text, size_t bytes)
{
    const char *end = memchr(text, bytes > 0 && *text == '[' ? ']' : ':', bytes);

    return end == NULL ? bytes : (size_t)(end - text) + (*end == ']');
}
