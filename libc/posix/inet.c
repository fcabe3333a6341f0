/* SPDX-License-Identifier: MIT */
/*
 * IPv4 addresses as text: POSIX's names for libc/core/address.c.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "libc/core/address.h"
#include "libc/core/base.h"
#include "libc/core/numbers.h"

int inet_pton(int family, const char *restrict text, void *restrict address)
{
    uint32_t parsed;
    const char *end;

    if (family != AF_INET) {
        errno = EAFNOSUPPORT;
        return -1;
    }
    end = address_parse_ipv4(text, &parsed);
    if (end == NULL || *end != '\0') {
        return 0;
    }
    memcpy(address, &parsed, sizeof(parsed));
    return 1;
}

const char *inet_ntop(int family, const void *restrict address, char *restrict text, socklen_t size)
{
    char whole[ADDRESS_IPV4_TEXT_BYTES];
    uint32_t number;

    if (family != AF_INET) {
        errno = EAFNOSUPPORT;
        return NULL;
    }
    memcpy(&number, address, sizeof(number));
    address_print_ipv4(number, whole);
    if (strlen(whole) >= size) {
        errno = ENOSPC;
        return NULL;
    }
    strcpy(text, whole);
    return text;
}

/* One number, as in C: octal or hexadecimal by how it begins. */
static bool take_part(const char **text, uint32_t *part)
{
    unsigned base = 10;
    uint64_t number;

    if ((*text)[0] == '0' && ((*text)[1] == 'x' || (*text)[1] == 'X')) {
        base = 16;
        *text += 2;
    } else if ((*text)[0] == '0') {
        base = 8;
    }
    if (number_take(text, NULL, base, UINT32_MAX, &number) != 0) {
        return false;
    }
    *part = (uint32_t)number;
    return true;
}

/* a.b.c.d, a.b.c, a.b or a: the last number fills what is left of the address. */
int inet_aton(const char *text, struct in_addr *address)
{
    uint32_t part = 0, whole = 0;
    unsigned count = 0;

    for (;;) {
        if (!take_part(&text, &part)) {
            return 0;
        }
        if (*text != '.') {
            break;
        }
        if (part > UINT8_MAX || count == 3) {
            return 0;
        }
        whole |= part << (24 - 8 * count);
        count++;
        text++;
    }
    if ((*text != '\0' && strchr(" \t\n\v\f\r", *text) == NULL) || part > UINT32_MAX >> 8 * count) {
        return 0;
    }
    if (address != NULL) {
        address->s_addr = htonl(whole | part);
    }
    return 1;
}

in_addr_t inet_addr(const char *text)
{
    struct in_addr address;

    return inet_aton(text, &address) != 0 ? address.s_addr : INADDR_NONE;
}
