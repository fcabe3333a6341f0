/* SPDX-License-Identifier: MIT */
/*
 * A serial port (16550), eight bits, no parity, one stop bit, polled.
 */
#pragma once

#include "kernel/base.h"

struct serial_port;

/* False when there is no port: the other calls then do nothing. Puts the port into its mode. */
bool serial_initialise(const struct serial_port *serial);
/* Attach to the port as another node has left it. */
void serial_attach(const struct serial_port *serial);
/* Waits for the device, but never for ever: text is lost when it stays busy. */
void serial_write(const char *text, size_t bytes);
int serial_read(void); /* -1: nothing has come */
void serial_enable_receive_interrupt(void);
