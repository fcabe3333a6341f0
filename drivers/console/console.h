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
 * Whoever uses the console beyond the log: `start` is called by the event loop of the node that
 * gets it, at the start and when its owner before has died. `has_screen`: there is one. At
 * NODE_MEMORY, on each node.
 */
#define CONSOLE_USER_MAX 4
void console_register_user(void (*start)(bool has_screen));

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

/* Notice that something may have been typed: an interrupt has come since the last call, or nobody
 * has looked for a while. When true, call console_read() until it returns -1. */
bool console_notice_input(uint64_t now_ns);
/* One character that was typed, or -1. */
int console_read(void);
/* Whether lines of the log have broken into what was being typed since the last call. */
bool console_take_interruption(void);
