/* SPDX-License-Identifier: MIT */
/*
 * A node that logs and prints, for unit tests: the log's ring, its printer, and the fake console.
 */
#pragma once

#include "kernel/base.h"

/* Become `node` of `node_count` with an empty log, printed at once. */
void become(node_id_t node, unsigned node_count);
/* Write as another node does: into its own page, without a console. */
void write_as(node_id_t node, const char *line);
unsigned count_lines(const char *text);
