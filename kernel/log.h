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

/* `subsystem`: "boot", "paging", ... Below the chosen level a call costs one comparison. */
void log_write(enum log_level level, const char *subsystem, const char *format, ...)
    PRINTF_LIKE(3, 4);
#define log_error(subsystem, ...)   log_write(LOG_ERROR, subsystem, __VA_ARGS__)
#define log_warning(subsystem, ...) log_write(LOG_WARNING, subsystem, __VA_ARGS__)
#define log_info(subsystem, ...)    log_write(LOG_INFO, subsystem, __VA_ARGS__)
#define log_debug(subsystem, ...)   log_write(LOG_DEBUG, subsystem, __VA_ARGS__)

/* What is logged: LOG_INFO and what is worse, until this is called. Levels beyond `highest` cost a
 * comparison; of the others `is_wanted` decides, or NULL: all. */
void log_set_filter(enum log_level highest,
                    bool (*is_wanted)(enum log_level level, const char *subsystem));

/* The node that prints for all: NODE_NONE when none is alive. */
node_id_t log_console_owner(void);
bool log_is_console_owner(void);

/* Whether this node has written lines of which nobody has been told; clears it. */
bool log_take_unannounced(void);
/*
 * Print everything now if this node owns the console, else tell its owner. For a node that is
 * failing, and for node 0 while it brings the machine up.
 */
void log_flush_all(void);
/*
 * This node has failed and has written its last line. It is dead from now on, and the others are
 * told at once: what waits on it must not wait for a slow console, too. Then what it has given to
 * the console's devices goes out; the next owner prints its last lines, or if there is none it
 * prints them itself.
 */
void log_end(void);
/* Whether lines are printed at the end of a dispatch round. If not, as at first, then at once, so
 * that a start that hangs shows how far it came. */
void log_defer_printing(bool is_wanted);
