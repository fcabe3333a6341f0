/* SPDX-License-Identifier: MIT */
/*
 * The PROXY protocol, versions 1 and 2 (HAProxy, proxy-protocol.txt): what a backend is told of the
 * client before the client's first byte.
 */
#pragma once

#include <netinet/in.h>
#include <stddef.h>

#define PROXY_HEADER_MAX 108u /* version 1 with a zero, as the protocol says */

/* Write it; returns its length. */
size_t proxy_header_write(char header[PROXY_HEADER_MAX], unsigned version,
                          const struct sockaddr_in *client, const struct sockaddr_in *server);
