/* SPDX-License-Identifier: MIT */
/*
 * The owner of the console prints what all nodes have logged. The owner is the lowest node that
 * lives (kernel/log.h); when it dies the next one goes on where it stopped.
 */
#pragma once

#include "kernel/base.h"

/* Nothing is known yet of what has been printed. */
void log_printer_start(void);
/* Start to print for all if that is this node's part, where the owner before has stopped; returns
 * whether it is. */
bool log_printer_take(void);
/* status_log_read(), as people see it. */
size_t log_printer_read(node_id_t node, uint32_t *position, char *line, size_t size);
/* Print what all nodes have logged since, if the console is ours; returns how many lines. */
unsigned log_printer_print(void);
