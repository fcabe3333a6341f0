/* SPDX-License-Identifier: MIT */
/*
 * The only parser of IPv4 addresses, and the only printer.
 */
#include "libc/core/address.h"

#include <stddef.h>
#include <string.h>

#include "libc/core/format.h"
#include "libc/core/numbers.h"

#define IPV4_BYTES 4

/* One of the four numbers. Returns what stands behind, or NULL. */
static const char *parse_byte(const char *text, uint8_t *byte)
{
    const char *end = text;
    uint64_t value;

    if (number_take(&end, NULL, 10, UINT8_MAX, &value) != 0 || (text[0] == '0' && end - text > 1)) {
        return NULL;
    }
    *byte = (uint8_t)value;
    return end;
}

const char *address_parse_ipv4(const char *text, uint32_t *address)
{
    uint8_t bytes[IPV4_BYTES];

    for (unsigned i = 0; i < IPV4_BYTES; i++) {
        if (i != 0 && *text++ != '.') {
            return NULL;
        }
        text = parse_byte(text, &bytes[i]);
        if (text == NULL) {
            return NULL;
        }
    }
    memcpy(address, bytes, sizeof(bytes));
    return text;
}

void address_print_ipv4(uint32_t address, char text[ADDRESS_IPV4_TEXT_BYTES])
{
    uint8_t bytes[IPV4_BYTES];

    memcpy(bytes, &address, sizeof(bytes));
    (void)format_text(text, ADDRESS_IPV4_TEXT_BYTES, "%u.%u.%u.%u", bytes[0], bytes[1], bytes[2],
                      bytes[3]); /* it always fits */
}
