/* SPDX-License-Identifier: MIT */
/*
 * Addresses that are several machines': virtual_address.h.
 */
#include "net/transport/virtual_address.h"

#include <errno.h>

#include "kernel/log.h"
#include "kernel/platform.h"
#include "libc/core/address.h"
#include "libc/core/command_line.h"
#include "libc/core/format.h"
#include "net/transport/network_options.h"

#define OPTION_MAX_BYTES (VIRTUAL_ADDRESS_MAX * ADDRESS_IPV4_TEXT_BYTES + 1)
#define REASON_BYTES     160

static struct virtual_addresses own;

static bool has(const struct virtual_addresses *virtual, uint32_t address)
{
    for (unsigned i = 0; i < virtual->count; i++) {
        if (virtual->addresses[i] == address) {
            return true;
        }
    }
    return false;
}

static int parse(struct virtual_addresses *virtual, const char *text, const char **complaint)
{
    for (;;) {
        uint32_t address;

        text = address_parse_ipv4(text, &address);
        if (text == NULL || (*text != '\0' && *text != ',')) {
            *complaint = "is not ADDRESS[,ADDRESS...]";
            return -EINVAL;
        }
        if (!network_options_is_host(address)) {
            *complaint = "has an address that is no host's";
            return -EINVAL;
        }
        if (has(virtual, address)) {
            *complaint = "names an address twice";
            return -EINVAL;
        }
        if (virtual->count == VIRTUAL_ADDRESS_MAX) {
            *complaint = "has too many addresses";
            return -EINVAL;
        }
        virtual->addresses[virtual->count++] = address;
        if (*text == '\0') {
            return 0;
        }
        text++;
    }
}

int virtual_addresses_parse(struct virtual_addresses *virtual, const char *line, char *reason,
                            size_t reason_bytes)
{
    char text[OPTION_MAX_BYTES] = "";
    const char *complaint = "is too long";
    int length = command_line_copy(line, "vip", text, sizeof(text));

    ASSERT(reason_bytes > 0);
    *virtual = (struct virtual_addresses){.count = 0};
    if (length == -ENOENT || (length >= 0 && parse(virtual, text, &complaint) == 0)) {
        return 0;
    }
    *virtual = (struct virtual_addresses){.count = 0};
    /* Cut if too long. */
    (void)format_text(reason, reason_bytes, "vip=%s %s", length >= 0 ? text : "", complaint);
    return -EINVAL;
}

void virtual_address_initialise(bool is_speaker)
{
    char reason[REASON_BYTES];

    if (virtual_addresses_parse(&own, platform_command_line(), reason, sizeof(reason)) != 0 &&
        is_speaker) {
        log_warning("ts", "%s: ignored", reason);
    }
    for (unsigned i = 0; is_speaker && i < own.count; i++) {
        char text[ADDRESS_IPV4_TEXT_BYTES];

        address_print_ipv4(own.addresses[i], text);
        log_info("ts", "answering for %s, too, as other machines do: without ARP", text);
    }
}

bool virtual_address_is_ours(uint32_t address)
{
    return has(&own, address);
}
