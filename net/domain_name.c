/* SPDX-License-Identifier: MIT */
/*
 * Domain names as text: see domain_name.h.
 */
#include "net/domain_name.h"

#include "libc/core/bytes.h"
#include "libc/core/format.h"

bool domain_name_copy(char name[DOMAIN_NAME_BYTES], const char *text, size_t bytes)
{
    size_t label_bytes = 0;

    if (bytes > 0 && text[bytes - 1] == '.') {
        bytes--;
    }
    if (bytes == 0 || bytes > DOMAIN_NAME_MAX_BYTES) {
        return false;
    }
    for (size_t i = 0; i < bytes; i++) {
        const char byte = text[i]; /* once: it may lie where another node writes */
        int character = domain_name_character((uint8_t)byte);

        if (byte == '.' && label_bytes != 0) {
            label_bytes = 0;
            character = '.';
        } else {
            label_bytes++;
        }
        if (character < 0 || label_bytes > DOMAIN_LABEL_MAX_BYTES) {
            return false;
        }
        name[i] = (char)character;
    }
    name[bytes] = '\0';
    return label_bytes != 0;
}

void domain_name_of_address(char name[DOMAIN_NAME_BYTES], uint32_t address)
{
    uint32_t number = swap32(address);

    (void)format_text(name, DOMAIN_NAME_BYTES, "%u.%u.%u.%u.in-addr.arpa", number & 0xFF,
                      number >> 8 & 0xFF, number >> 16 & 0xFF, number >> 24);
}
