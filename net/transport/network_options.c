/* SPDX-License-Identifier: MIT */
/*
 * Reads net= and ntp= from the command line.
 */
#include "net/transport/network_options.h"

#include <errno.h>
#include <string.h>

#include "kernel/platform.h"
#include "libc/core/address.h"
#include "libc/core/bytes.h"
#include "libc/core/command_line.h"
#include "libc/core/format.h"
#include "libc/core/numbers.h"

#define OPTION_MAX_BYTES 128

/* A decimal number up to `most`, without sign, at *text, which moves behind it. */
static int parse_number(const char **text, unsigned most, unsigned *number)
{
    uint64_t value;

    if (number_take(text, NULL, 10, most, &value) != 0) {
        return -EINVAL;
    }
    *number = (unsigned)value;
    return 0;
}

static uint32_t netmask_of(unsigned length)
{
    ASSERT(length <= 32);
    return length == 0 ? 0 : swap32(UINT32_MAX << (32 - length));
}

/* `,gw=ADDRESS` and `,dns=ADDRESS`, in any order, the latter up to NAME_SERVER_MAX times. */
static int parse_rest(const char *text, struct network_options *options)
{
    unsigned server_count = 0;

    while (*text != '\0') {
        uint32_t *address;

        if (strncmp(text, ",gw=", 4) == 0) {
            address = &options->gateway;
            text += 4;
        } else if (strncmp(text, ",dns=", 5) == 0 && server_count < NAME_SERVER_MAX) {
            address = &options->name_servers[server_count++];
            text += 5;
        } else {
            return -EINVAL;
        }
        text = address_parse_ipv4(text, address);
        if (text == NULL) {
            return -EINVAL;
        }
    }
    return 0;
}

bool network_options_is_host(uint32_t address)
{
    uint8_t first = (uint8_t)address;

    return first != 0 && first != 127 && first < 224;
}

static int parse_static(const char *text, struct network_options *options, const char **reason)
{
    unsigned length;

    *reason = "is neither dhcp nor ADDRESS/LENGTH[,gw=ADDRESS][,dns=ADDRESS]";
    text = address_parse_ipv4(text, &options->address);
    if (text == NULL || *text != '/') {
        return -EINVAL;
    }
    text++;
    if (parse_number(&text, 32, &length) != 0) {
        *reason = "has no prefix length from 1 to 32";
        return -EINVAL;
    }
    options->netmask = netmask_of(length);
    if (parse_rest(text, options) != 0) {
        return -EINVAL;
    }
    if (length == 0 || !network_options_is_host(options->address)) {
        *reason = "is not the address of a host on a network";
        return -EINVAL;
    }
    if (options->gateway != 0 && ((options->gateway ^ options->address) & options->netmask) != 0) {
        *reason = "has a gateway outside its own network";
        return -EINVAL;
    }
    return 0;
}

int network_options_parse(struct network_options *options, const char *line, char *reason,
                          size_t reason_bytes)
{
    char text[OPTION_MAX_BYTES];
    const char *complaint = "is too long";
    int length = command_line_copy(line, "net", text, sizeof(text));

    ASSERT(reason_bytes > 0);
    *options = (struct network_options){.is_dhcp = true};
    if (length == -ENOENT || (length > 0 && strcmp(text, "dhcp") == 0)) {
        return 0;
    }
    if (length >= 0) {
        struct network_options parsed = {.is_dhcp = false};

        if (parse_static(text, &parsed, &complaint) == 0) {
            ASSERT(parsed.address != 0 && parsed.netmask != 0);
            *options = parsed;
            return 0;
        }
    } else {
        text[0] = '\0';
    }
    (void)format_text(reason, reason_bytes, "net=%s %s", text, complaint); /* cut if too long */
    return -EINVAL;
}

int ntp_options_parse(struct ntp_options *options, const char *line, char *reason,
                      size_t reason_bytes)
{
    char text[OPTION_MAX_BYTES] = "";
    int length = command_line_copy(line, "ntp", text, sizeof(text));
    uint32_t server;

    ASSERT(reason_bytes > 0);
    *options = (struct ntp_options){.is_dhcp = length > 0 && strcmp(text, "dhcp") == 0};
    if (length == -ENOENT || options->is_dhcp) {
        return 0;
    }
    const char *end = length > 0 ? address_parse_ipv4(text, &server) : NULL;

    if (end == NULL || *end != '\0' || !network_options_is_host(server)) {
        (void)format_text(reason, reason_bytes, "ntp=%s is neither dhcp nor the address of a host",
                          length > 0 ? text : ""); /* cut if too long */
        return -EINVAL;
    }
    options->server = server;
    return 0;
}
