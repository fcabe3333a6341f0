/* SPDX-License-Identifier: MIT */
/*
 * The values of `console=`. They come from outside: whatever they hold, they are either understood
 * whole or passed over.
 */
#include "drivers/console/options.h"

#include <string.h>

#include "kernel/log.h"
#include "kernel/platform.h"
#include "libc/core/command_line.h"
#include "libc/core/numbers.h"

#define DEFAULT_BAUD 115200u
#define BAUD_MAX     115200u

/* ISA's serial ports and their interrupts, as PCs have them. */
static const struct serial_port pc_ports[] = {
    {.port = 0x3F8, .isa_irq = 4},
    {.port = 0x2F8, .isa_irq = 3},
    {.port = 0x3E8, .isa_irq = 4},
    {.port = 0x2E8, .isa_irq = 3},
};

static bool is_word(const char *text, size_t length, const char *word)
{
    return strlen(word) == length && memcmp(text, word, length) == 0;
}

/* All of the text as a number of 1 to `most`. */
static bool parse_number(const char *text, size_t length, unsigned base, uint64_t most,
                         uint64_t *number)
{
    return number_parse(text, length, base, most, number) == 0 && *number != 0;
}

static bool parse_port(const char *text, size_t length, struct serial_port *port)
{
    uint64_t number;

    if (length == 5 && memcmp(text, "ttyS", 4) == 0 &&
        number_parse(text + 4, 1, 10, ARRAY_COUNT(pc_ports) - 1, &number) == 0) {
        *port = pc_ports[number];
        return true;
    }
    /* Eight registers follow the first. */
    if (length < 3 || memcmp(text, "0x", 2) != 0 ||
        !parse_number(text + 2, length - 2, 16, UINT16_MAX - 7, &number)) {
        return false;
    }
    *port = (struct serial_port){.port = (uint16_t)number};
    for (size_t i = 0; i < ARRAY_COUNT(pc_ports); i++) {
        if (pc_ports[i].port == number) {
            *port = pc_ports[i];
        }
    }
    return true;
}

/* Only speeds that the 16550 can be set to: 115200 divided by a whole number. */
static bool parse_baud(const char *text, size_t length, uint32_t *baud)
{
    uint64_t number;

    if (length > 2 && memcmp(text + length - 2, "n8", 2) == 0) {
        length -= 2;
    }
    if (!parse_number(text, length, 10, BAUD_MAX, &number) || BAUD_MAX % number != 0) {
        return false;
    }
    *baud = (uint32_t)number;
    ASSERT(*baud >= 1 && *baud <= BAUD_MAX);
    return true;
}

static bool parse_serial(const char *text, size_t length, struct serial_port *serial)
{
    const char *comma = memchr(text, ',', length);
    size_t name_length = comma != NULL ? (size_t)(comma - text) : length;
    uint32_t baud = DEFAULT_BAUD;

    if (!parse_port(text, name_length, serial) ||
        (comma != NULL && !parse_baud(comma + 1, length - name_length - 1, &baud))) {
        return false;
    }
    serial->baud = baud;
    return true;
}

static bool parse_word(const char *text, size_t length, struct console_options *options)
{
    struct serial_port serial;

    if (is_word(text, length, "none")) {
        return true;
    }
    if (is_word(text, length, "fb") || is_word(text, length, "vga")) {
        options->has_screen = true;
        return true;
    }
    if (parse_serial(text, length, &serial)) {
        options->serial = serial;
        return true;
    }
    return false;
}

void console_options_parse(struct console_options *options, const char *line,
                           const struct serial_port *firmware)
{
    bool is_chosen = false;
    const char *value;
    int length;

    *options = (struct console_options){0};
    while ((length = command_line_next(&line, "console", &value)) >= 0) {
        is_chosen |= parse_word(value, (size_t)length, options);
    }
    if (!is_chosen) {
        options->serial = pc_ports[0];
        options->serial.baud = DEFAULT_BAUD;
        options->has_screen = true;
        if (firmware->port != 0) {
            options->serial = *firmware;
        }
    }
}

unsigned console_options_report(const char *line)
{
    struct console_options ignored;
    unsigned count = 0;
    const char *value;
    int length;

    while ((length = command_line_next(&line, "console", &value)) >= 0) {
        if (!parse_word(value, (size_t)length, &ignored)) {
            log_warning("console", "console=: ignored `%.*s`", length, value);
            count++;
        }
    }
    return count;
}
