/* SPDX-License-Identifier: MIT */
/*
 * URLs as a network's DHCP server or a boot entry gives them (RFC 3986), read as input from
 * outside.
 */
#pragma once

#include "kernel/base.h"

/* Chosen: what DHCP can carry, with room. */
#define URL_BYTES_MAX 512

#define URL_IPV6_BYTES 16

/*
 * Where the tree begins that a program's URL lies in: what stands in front of /EFI/BOOT/ or, when
 * the program is not in a folder of these names, the program's own folder. Without the slash at its
 * end, and without what a server takes for a query.
 *
 * bytes  of the URL, which may also end with a NUL before
 *
 * Returns false, and an empty root, when it is no URL of a file, not printable, or too long.
 */
MUST_CHECK bool url_read_root(char root[URL_BYTES_MAX], const char *url, size_t bytes);

/*
 * The host as a number: tftp://[2001:db8::1]/file (RFC 3986 3.2.2, RFC 5970 3.1).
 *
 * Returns false when the host is none.
 */
MUST_CHECK bool url_read_ipv6(uint8_t address[URL_IPV6_BYTES], const char *url, size_t bytes);

/* The host with its port, as the header Host: has it. False when it does not fit. */
MUST_CHECK bool url_read_host(char *host, size_t size, const char *url);
