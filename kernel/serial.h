/* SPDX-License-Identifier: MIT */
/*
 * The first serial port (16550, COM1), 115200 8N1, polled.
 */
#pragma once

#include "kernel/base.h"

/* False when there is no port: the other calls then do nothing. Puts the port into its mode. */
bool serial_initialise(void);
/* Attach to the port as another node has left it. */
void serial_attach(void);
void serial_write(char character);
int serial_read(void); /* -1: nothing has come */
void serial_enable_receive_interrupt(void);
