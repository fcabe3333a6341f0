/* SPDX-License-Identifier: MIT */
/*
 * IPv4 addresses as text.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>

int inet_pton(int family, const char *restrict text, void *restrict address)
{
    unsigned char *bytes = address;
    unsigned char parts[4];

    if (family != AF_INET) {
        errno = EAFNOSUPPORT;
        return -1;
    }
    for (int i = 0; i < 4; i++) {
        unsigned part = 0;
        int digits = 0;
        while (isdigit(*text)) {
            if (digits > 0 && part == 0) {
                return 0; /* a leading zero could be meant as octal */
            }
            part = 10 * part + (unsigned)(*text++ - '0');
            digits++;
            if (part > 255) {
                return 0;
            }
        }
        if (digits == 0 || *text != (i < 3 ? '.' : '\0')) {
            return 0;
        }
        text++;
        parts[i] = (unsigned char)part;
    }
    for (int i = 0; i < 4; i++) {
        bytes[i] = parts[i];
    }
    return 1;
}

const char *inet_ntop(int family, const void *restrict address, char *restrict text, socklen_t size)
{
    const unsigned char *bytes = address;
    char whole[INET_ADDRSTRLEN];

    if (family != AF_INET) {
        errno = EAFNOSUPPORT;
        return NULL;
    }
    int length =
        snprintf(whole, sizeof(whole), "%u.%u.%u.%u", bytes[0], bytes[1], bytes[2], bytes[3]);
    if ((socklen_t)length >= size) {
        errno = ENOSPC;
        return NULL;
    }
    snprintf(text, size, "%s", whole);
    return text;
}

in_addr_t inet_addr(const char *text)
{
    in_addr_t address;

    return inet_pton(AF_INET, text, &address) == 1 ? address : INADDR_NONE;
}
