/* SPDX-License-Identifier: MIT */
/*
 * The part of a URI, or of a Host field, that names a server (RFC 3986 3.2, RFC 9110 7.2).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/*
 * Whether this is `host` or `host:port`: a name, an IPv4 or IPv6 address, not empty, and a port
 * that TCP has or none. Names of users (`user@host`) are refused (RFC 9110 4.2.4).
 */
bool authority_is_good(const char *text, size_t bytes);
/* How many of its bytes are the host's, without a port. */
size_t authority_host_bytes(const char *text, size_t bytes);
