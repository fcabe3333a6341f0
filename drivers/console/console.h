/* SPDX-License-Identifier: MIT */
/*
 * The console: where the log's text goes and commands come from. A serial port and a screen, each
 * if there is one and the command line does not leave it out (drivers/console/options.h); the same
 * text goes to both. One node uses it at a time (kernel/log.c says which), so there is nothing to
 * lock. When that node has died the next one takes over screen, keyboard and serial port.
 *
 * Until the event loop runs, text is seen at once. From then on it is kept, and goes out when there
 * is time: a little now and then while there is other work, the rest before the node sleeps. What a
 * device is too slow for is dropped by the line and counted, for each device by itself.
 */
#pragma once

#include "kernel/base.h"

/*
 * Find the console's devices and set them up: once, by the first code that runs. Reads the command
 * line and the description of the screen in node_info. `mapped_bytes`: how much physical memory is
 * mapped at DIRECT_MAP_BASE.
 */
void console_initialise(paddr_t mapped_bytes);
/* Firmware's tables are known now (node_info.machine): use its serial console, if the command line
 * names none. */
void console_use_firmware_port(void);
/* Use the devices as they have been set up: on each node. The screen comes later. */
void console_attach(void);
/* Map the screen: where node_info describes it, by who uses it, once there are pages for tables. */
void console_map_screen(void);
/* By the event loop of node 0: text goes out when there is time from now on, and what is typed
 * wakes the node. */
void console_start(void);
/* The same by the event loop of the node that owns the console now: the one before it has died. The
 * screen begins with what is left of the log. */
void console_take_over(void);

/* Lines of the log. They start on a line of their own, whatever has been typed. Never waits once
 * the event loop runs; before, for the serial port, but never for ever. */
void console_write(const char *text, size_t bytes);
/* What somebody has asked for on the console, or its echo; likewise. */
void console_answer(const char *text, size_t bytes);
/* Whether the longest answer finds room: before that nothing should be asked. */
bool console_has_room(void);

/* For a node that is about to end: what has been written goes to the serial port now, and what
 * follows at once. */
void console_write_through(void);
/* Have everything seen that was written: after the last words. */
void console_flush(void);

/* Whether something may have been typed: an interrupt has come, or it has not been looked for a
 * while. Then console_read() must be called until it returns -1. */
bool console_is_input_due(uint64_t now_ns);
/* One character that was typed, or -1. */
int console_read(void);
/* Whether lines of the log have broken into what was being typed since the last call. */
bool console_take_interruption(void);
