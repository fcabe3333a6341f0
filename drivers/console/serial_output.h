/* SPDX-License-Identifier: MIT */
/*
 * Text to the console's serial port. Until the event loop runs, and again when a node ends, it is
 * written at once. In between it waits in a bounded queue that the event loop empties: as much as
 * the port's FIFO takes, no oftener than the FIFO empties itself, and never waiting. While the node
 * sleeps the port's interrupt wakes it for the next piece.
 *
 * Lines that find the queue full are dropped whole and counted (CONSOLE_SERIAL_DROPPED); the log
 * says how many as soon as half of the queue is free again.
 */
#pragma once

#include "kernel/base.h"

/* Let text wait from the event loop's next round on. `has_interrupt`: the port's reaches this node.
 * Without memory for the queue text goes on being written at once. */
void serial_output_start(bool has_interrupt);

/* A line of the log, or several; part of the queue stays free for answers. */
void serial_output_write(const char *text, size_t bytes);
/* What somebody has asked for, or its echo. */
void serial_output_answer(const char *text, size_t bytes);
/* Whether the longest answer would fit. */
bool serial_output_has_room(void);

/* For the event loop: whether serial_output_poll() has anything to do. */
extern bool serial_output_is_busy;
void serial_output_poll(uint64_t now_ns);
/* Before sleep: true if there was something to do after all. */
bool serial_output_prepare_sleep(void);

/*
 * The node is about to end: write what waits, and from now on everything at once. What takes longer
 * than this is dropped and counted: the oldest, as far as the port's speed tells how long it will
 * take; and the rest, if the port is slower than that.
 */
#define SERIAL_OUTPUT_WRITE_THROUGH_NS (3 * NS_PER_S) /* chosen: what a person waits for */
void serial_output_write_through(void);
