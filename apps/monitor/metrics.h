/* SPDX-License-Identifier: MIT */
/*
 * The running system as text, read from the status pages of all nodes: it disturbs none of them.
 * Both texts are files, too: /proc/metrics and /proc/nodes.
 *
 * Both functions return the length that the whole text has; at most size - 1 bytes of it and a
 * zero are written, nothing if size is 0.
 */
#pragma once

#include "kernel/base.h"

/* All counters of all nodes in the Prometheus text format 0.0.4. Grows with the nodes: some
 * 3 KiB a node. */
size_t metrics_print_prometheus(char *text, size_t size);

/* A line for each node, for people: state, roles, memory, what it did. */
size_t metrics_print_nodes(char *text, size_t size);
