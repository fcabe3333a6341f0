/* SPDX-License-Identifier: MIT */
/*
 * The last lines of the log for a screen of which only a dead node knew what it shows.
 */
#pragma once

#include "kernel/base.h"

/*
 * Give `write` the last `line_max` lines that have been printed, whoever has printed them, as far
 * as they still stand on the status pages; by their time. Nothing, unless this node prints for all.
 */
void console_replay(unsigned line_max, void (*write)(const char *line, size_t length_bytes));
