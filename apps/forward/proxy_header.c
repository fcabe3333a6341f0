/* SPDX-License-Identifier: MIT */
#include "apps/forward/proxy_header.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* Section 2.1: a line of text. */
static size_t write_text(char header[PROXY_HEADER_MAX], const struct sockaddr_in *client,
                         const struct sockaddr_in *server)
{
    char from[INET_ADDRSTRLEN], to[INET_ADDRSTRLEN];

    inet_ntop(AF_INET, &client->sin_addr, from, sizeof(from));
    inet_ntop(AF_INET, &server->sin_addr, to, sizeof(to));
    return (size_t)snprintf(header, PROXY_HEADER_MAX, "PROXY TCP4 %s %s %u %u\r\n", from, to,
                            ntohs(client->sin_port), ntohs(server->sin_port));
}

/* Section 2.2: a signature, version and command, family and protocol, length, addresses. */
static size_t write_binary(char header[PROXY_HEADER_MAX], const struct sockaddr_in *client,
                           const struct sockaddr_in *server)
{
    static const char start[] = {'\r',
                                 '\n',
                                 '\r',
                                 '\n',
                                 '\0',
                                 '\r',
                                 '\n',
                                 'Q',
                                 'U',
                                 'I',
                                 'T',
                                 '\n',
                                 0x21 /* version 2, PROXY */,
                                 0x11 /* TCP over IPv4 */,
                                 0,
                                 12};
    size_t length = sizeof(start);

    memcpy(header, start, sizeof(start));
    memcpy(header + length, &client->sin_addr, 4);
    memcpy(header + length + 4, &server->sin_addr, 4);
    memcpy(header + length + 8, &client->sin_port, 2);
    memcpy(header + length + 10, &server->sin_port, 2);
    return length + 12;
}

size_t proxy_header_write(char header[PROXY_HEADER_MAX], unsigned version,
                          const struct sockaddr_in *client, const struct sockaddr_in *server)
{
    return version == 2 ? write_binary(header, client, server) : write_text(header, client, server);
}
