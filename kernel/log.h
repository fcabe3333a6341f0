/* SPDX-License-Identifier: MIT */
/*
 * The log: `[    0.123456] node3 ts: text`, ASCII, one event a line. A node writes its lines to its
 * own status page, LOG_MARK and the level in the place of `[`; those overwritten unprinted are
 * counted (LOG_LOST). The console's owner, the lowest node alive, prints them whole; when it dies
 * the next one goes on where it stopped. One that is started again is behind all that run.
 */
#pragma once

#include "kernel/base.h"
#include "libc/core/output.h"

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

#define LOG_MARK           1
#define LOG_LINE_MAX_BYTES 256 /* longer lines are cut */

/* `subsystem`: "boot", "paging", ... Below the chosen level a call costs one comparison. */
void log_write(enum log_level level, const char *subsystem, const char *format, ...)
    PRINTF_LIKE(3, 4);
#define log_error(subsystem, ...)   log_write(LOG_ERROR, subsystem, __VA_ARGS__)
#define log_warning(subsystem, ...) log_write(LOG_WARNING, subsystem, __VA_ARGS__)
#define log_info(subsystem, ...)    log_write(LOG_INFO, subsystem, __VA_ARGS__)
#define log_debug(subsystem, ...)   log_write(LOG_DEBUG, subsystem, __VA_ARGS__)

/* At first what is logged is LOG_INFO and worse. `is_wanted` decides up to `highest`; NULL: all. */
void log_set_filter(enum log_level highest,
                    bool (*is_wanted)(enum log_level level, const char *subsystem));

/* What stands at the head of a line, in place of the seconds since boot; NULL: these. */
void log_set_stamp(void (*append)(struct output *output));

/* The node that prints for all: NODE_NONE when none is alive. */
node_id_t log_console_owner(void);
bool log_is_console_owner(void);

/* Whether this node has written lines of which nobody has been told; clears it. */
bool log_take_unannounced(void);
/* Print everything now if this node owns the console, else tell its owner. */
void log_flush_all(void);
/* This node has failed and has written its last line: it is dead, and the others are told before
 * the console, which may be slow, has all it was given. The last of all prints its lines itself. */
void log_end(void);
/* Whether lines are printed at a round's end; at first at once: a start that hangs shows where. */
void log_defer_printing(bool is_wanted);
