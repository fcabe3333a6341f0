/* SPDX-License-Identifier: MIT */
/*
 * Which devices make up the console. Without a word on the command line: the serial port that
 * firmware uses, else the first one, and whatever screen there is. Words replace that:
 *
 *   console=ttyS0            the PC's serial ports ttyS0 to ttyS3, at 115200 baud
 *   console=ttyS1,9600       another speed; a Linux suffix `n8` may follow
 *   console=0x3e8,57600      a port by its number
 *   console=0xe9             the debug port of Bochs, QEMU and Xen, which only takes text
 *   console=fb               the screen, in graphics or in text; also `vga`
 *   console=none             nothing
 */
#pragma once

#include "kernel/base.h"
#include "kernel/node.h"

struct console_options {
    struct serial_port serial; /* port 0: none */
    bool has_screen;
};

/* `firmware`: what firmware says of its own serial console. Of several serial ports the last word
 * counts. Words that make no sense are passed over. */
void console_options_parse(struct console_options *options, const char *line,
                           const struct serial_port *firmware);
/* Log the words that were passed over; returns how many. */
unsigned console_options_report(const char *line);
