/* SPDX-License-Identifier: MIT */
/*
 * Reads nic= from the command line.
 */
#include "net/link/nic_option.h"

#include <errno.h>
#include <string.h>

#include "kernel/platform.h"
#include "libc/core/command_line.h"
#include "libc/core/format.h"
#include "libc/core/numbers.h"

#define NUMBER_MAX 999u

/* Of a bus; of a device. */
#define DEVICE_MAX   31u
#define FUNCTION_MAX 7u

/* A number up to `most` in this base at *text, which moves behind it. */
static bool take_number(const char **text, unsigned base, unsigned most, unsigned *number)
{
    uint64_t value;

    if (number_take(text, NULL, base, most, &value) != 0) {
        return false;
    }
    *number = (unsigned)value;
    return true;
}

static bool take_character(const char **text, char character)
{
    if (**text != character) {
        return false;
    }
    (*text)++;
    return true;
}

/* [SEGMENT:]BUS:DEVICE.FUNCTION to the name that a port at that address has. */
static bool parse_address(const char *text, char name[NIC_PORT_NAME_BYTES])
{
    unsigned segment = 0, bus, device, function;

    if (!take_number(&text, 16, UINT16_MAX, &bus) || !take_character(&text, ':') ||
        !take_number(&text, 16, UINT8_MAX, &device)) {
        return false;
    }
    if (take_character(&text, ':')) {
        segment = bus;
        bus = device;
        if (!take_number(&text, 16, UINT8_MAX, &device)) {
            return false;
        }
    }
    if (!take_character(&text, '.') || !take_number(&text, 16, FUNCTION_MAX, &function) ||
        *text != '\0' || bus > UINT8_MAX || device > DEVICE_MAX) {
        return false;
    }
    (void)format_text(name, NIC_PORT_NAME_BYTES, "%04x:%02x:%02x.%u", segment, bus, device,
                      function);
    return true;
}

static bool parse_mac(const char *text, uint8_t mac[6])
{
    for (unsigned i = 0; i < 6; i++) {
        unsigned byte;

        if ((i > 0 && !take_character(&text, ':')) || !take_number(&text, 16, UINT8_MAX, &byte)) {
            return false;
        }
        mac[i] = (uint8_t)byte;
    }
    return *text == '\0';
}

static bool parse_word(struct nic_option *option)
{
    const char *at = option->text;

    if (parse_address(option->text, option->name)) {
        option->choice = NIC_NAME;
    } else if (parse_mac(option->text, option->mac)) {
        option->choice = NIC_MAC;
    } else if (take_number(&at, 10, NUMBER_MAX, &option->number) && *at == '\0') {
        option->choice = NIC_NUMBER;
    } else {
        return false;
    }
    return true;
}

int nic_option_parse(struct nic_option *option, const char *line, char *reason, size_t reason_bytes)
{
    int length;

    ASSERT(reason_bytes > 0);
    *option = (struct nic_option){.choice = NIC_FIRST};
    length = command_line_copy(line, "nic", option->text, sizeof(option->text));
    if (length == -ENOENT || (length >= 0 && parse_word(option))) {
        return 0;
    }
    (void)format_text(reason, reason_bytes,
                      "nic=%s is neither a number, nor [SEGMENT:]BUS:DEVICE.FUNCTION, nor a MAC "
                      "address",
                      length < 0 ? "" : option->text);
    *option = (struct nic_option){.choice = NIC_FIRST};
    return -EINVAL;
}
