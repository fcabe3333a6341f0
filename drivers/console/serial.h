/* SPDX-License-Identifier: MIT */
/*
 * A serial port (16550), eight bits, no parity, one stop bit. Text leaves it in two ways: written
 * at once, waiting for the device; or given to it as far as it has room, which never waits.
 */
#pragma once

#include "kernel/base.h"

struct serial_port;

/* False when there is no port: the other calls then do nothing. Puts the port into its mode. */
bool serial_initialise(const struct serial_port *serial);
/* Attach to the port as another node has left it. */
void serial_attach(const struct serial_port *serial);
bool serial_is_present(void);

/* Waits for the device, but never for ever: text is lost when it stays busy, and from then on
 * until it takes something again nothing waits for it. */
void serial_write(const char *text, size_t bytes);
/* Give the port what it takes without waiting: nothing, or as much as its FIFO holds. Returns how
 * many bytes it has taken. */
size_t serial_transmit(const char *text, size_t bytes);
bool serial_can_transmit(void);
/* How long one character takes to leave, about: the most common speed where none is known. */
uint64_t serial_byte_ns(void);
int serial_read(void); /* -1: nothing has come */

/*
 * Let received characters raise the port's interrupt, or an empty FIFO, or both. The line falls
 * first: an interrupt that is due comes as a new edge, whatever has held the line before. So who
 * leaves characters in the port must not ask for theirs: it would come each time.
 */
void serial_enable_interrupts(bool is_for_receive, bool is_for_transmit);
