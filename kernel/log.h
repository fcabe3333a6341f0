/* SPDX-License-Identifier: MIT */
/*
 * The log: `[    0.123456] node3 ts: text`, ASCII, one event a line. A node writes its lines
 * into its own status page; the node that owns the console prints them whole, so lines are never
 * torn and a dying node's last lines are still read. Lines overwritten before they were printed
 * are counted (LOG_LOST).
 */
#pragma once

#include "kernel/base.h"

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

#define LOG_LINE_MAX_BYTES 256 /* longer lines are cut */

/* `subsystem`: "boot", "ts", "ixgbe", ... Below the chosen level a call costs one comparison. */
void log_write(enum log_level level, const char *subsystem, const char *format, ...)
    PRINTF_LIKE(3, 4);
#define log_error(subsystem, ...) log_write(LOG_ERROR, subsystem, __VA_ARGS__)
#define log_warning(subsystem, ...) log_write(LOG_WARNING, subsystem, __VA_ARGS__)
#define log_info(subsystem, ...) log_write(LOG_INFO, subsystem, __VA_ARGS__)
#define log_debug(subsystem, ...) log_write(LOG_DEBUG, subsystem, __VA_ARGS__)

void log_set_level(enum log_level level);
