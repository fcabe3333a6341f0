/* SPDX-License-Identifier: MIT */
/*
 * The console: where the log's text goes and commands come from. Today one serial port. One node
 * uses it at a time (kernel/log.c says which), so there is nothing to lock.
 */
#pragma once

#include "kernel/base.h"

/* Find the console's devices and set them up: once, by the first code that runs. */
void console_initialise(void);
/* Use them as they have been set up: on each node. */
void console_attach(void);
/* Write text; LF becomes CR LF. Waits for the device, but never for ever: text is lost when it
 * stays busy. */
void console_write(const char *text, size_t bytes);
/* One character that was typed, or -1. */
int console_read(void);
/* Let what is typed interrupt this node from now on (INTERRUPT_VECTOR_SERIAL). */
void console_enable_interrupt(void);
