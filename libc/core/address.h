/* SPDX-License-Identifier: MIT */
/*
 * IPv4 addresses as text. As numbers they are in network byte order, as they stand on the wire.
 */
#pragma once

#include <stdint.h>

/* The longest one, with the zero at its end. */
#define ADDRESS_IPV4_TEXT_BYTES sizeof("255.255.255.255")

/*
 * Four decimal numbers up to 255 with dots between. None has a leading zero, which elsewhere makes
 * a number octal.
 *
 * Returns what stands behind the address, or NULL when the text does not begin with one: then
 * *address stays as it is.
 */
const char *address_parse_ipv4(const char *text, uint32_t *address);

void address_print_ipv4(uint32_t address, char text[ADDRESS_IPV4_TEXT_BYTES]);
