/* SPDX-License-Identifier: MIT */
/* Internet addresses as text (POSIX); AF_INET only. */
#pragma once

#include <netinet/in.h>

int inet_pton(int family, const char *restrict text, void *restrict address);
const char *inet_ntop(int family, const void *restrict address, char *restrict text,
                      socklen_t size);
/* Older forms: numbers of any base, and fewer than four. */
int inet_aton(const char *text, struct in_addr *address);
in_addr_t inet_addr(const char *text);
