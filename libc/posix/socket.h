/* SPDX-License-Identifier: MIT */
/*
 * What others need of the sockets: their start, and addresses for the calls that return one.
 */
#pragma once

#include <sys/socket.h>

#include "kernel/base.h"

/* Before the application starts on this node: register what an application receives. */
void sockets_start(void);

/* Write an IPv4 address and port (network byte order) as accept() and its like do: cut to
 * *bytes, which then tells the length it has. */
void socket_store_address(uint32_t address, uint16_t port, struct sockaddr *result,
                          socklen_t *bytes);
