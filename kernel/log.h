/* SPDX-License-Identifier: MIT */
/*
 * The log: `[    0.123456] node3 ts: text`, ASCII, one event a line. A node writes its lines
 * into its own status page; the node that owns the console prints them whole, so lines are never
 * torn and a dying node's last lines are still read. Lines overwritten before they were printed
 * are counted (LOG_LOST).
 *
 * The console's owner is the lowest node that is alive. When it dies the next one goes on where it
 * stopped.
 */
#pragma once

#include "kernel/base.h"

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

#define LOG_LINE_MAX_BYTES 256 /* longer lines are cut */

/* `subsystem`: "boot", "ts", "ixgbe", ... Below the chosen level a call costs one comparison. */
void log_write(enum log_level level, const char *subsystem, const char *format, ...)
    PRINTF_LIKE(3, 4);
#define log_error(subsystem, ...)   log_write(LOG_ERROR, subsystem, __VA_ARGS__)
#define log_warning(subsystem, ...) log_write(LOG_WARNING, subsystem, __VA_ARGS__)
#define log_info(subsystem, ...)    log_write(LOG_INFO, subsystem, __VA_ARGS__)
#define log_debug(subsystem, ...)   log_write(LOG_DEBUG, subsystem, __VA_ARGS__)

/*
 * LOG_INFO for all subsystems until it is called. The value of `log=` on the command line (not
 * zero-terminated): levels separated by commas, each for all or for one subsystem: `info`,
 * `warning,ixgbe=debug`. Words it does not know are reported and ignored. Returns how many.
 */
unsigned log_configure(const char *value, size_t length_bytes);

/* Look afresh who owns the console and how far it has printed; part of dispatch_initialise(). */
void log_find_console(void);
/* Whether this node prints for all. */
bool log_is_console_owner(void);
/* Start to print for all if that is this node's part, where the owner before has stopped; returns
 * whether it is. */
bool log_take_console(void);
/* The owner; NODE_NONE when no node is alive. */
node_id_t log_console_owner(void);
/* Print what `node` has written since, if the console is ours; returns the lines printed. */
unsigned log_print_node(node_id_t node);
/* Whether this node has written lines that nobody has been told of; clears it. */
bool log_take_news(void);
/*
 * Print everything now if this node owns the console, else tell its owner. For a node that is
 * failing, and for node 0 while it brings the machine up.
 */
void log_flush_all(void);
/* Lines are printed at the end of a dispatch round from now on; until then at once, so that a
 * start that hangs shows how far it came. */
void log_defer_printing(void);
