/* SPDX-License-Identifier: MIT */
/*
 * Services that have names here (RFC 6335's registry has many more): by name to port, in the
 * machine's order, and back.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* 0: that protocol (IPPROTO_TCP or IPPROTO_UDP) has no such service. */
uint16_t service_port(const char *name, int protocol);
/* NULL: it has no name. */
const char *service_name(uint16_t port, int protocol);
