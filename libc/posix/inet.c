/* SPDX-License-Identifier: MIT */
/*
 * IPv4 addresses as text: POSIX's names for libc/core/address.c.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "libc/core/address.h"

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

in_addr_t inet_addr(const char *text)
{
    in_addr_t address;

    return inet_pton(AF_INET, text, &address) == 1 ? address : INADDR_NONE;
}
