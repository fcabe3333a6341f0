/* SPDX-License-Identifier: MIT */
/*
 * ADDRESS[:PORT]
 */
#include "apps/syslog/collector.h"

#include <string.h>

#include "apps/syslog/message.h"
#include "libc/core/address.h"
#include "libc/core/numbers.h"

bool syslog_read_collector(const char *text, size_t bytes, struct syslog_collector *collector)
{
    char copy[sizeof("255.255.255.255:65535")];
    uint64_t port = SYSLOG_PORT;
    uint32_t address;
    const char *at;

    if (bytes >= sizeof(copy)) {
        return false;
    }
    memcpy(copy, text, bytes);
    copy[bytes] = '\0';
    at = address_parse_ipv4(copy, &address);
    if (at == NULL || address == 0 ||
        (at != copy + bytes && (*at != ':' || number_parse(at + 1, bytes - (size_t)(at + 1 - copy),
                                                           10, UINT16_MAX, &port) != 0)) ||
        port == 0) {
        return false;
    }
    *collector = (struct syslog_collector){address, (uint16_t)port};
    return true;
}
