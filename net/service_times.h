/* SPDX-License-Identifier: MIT */
/*
 * Service times of applications for people: each connection manager publishes, on its node's status
 * page, what it knows of its own applications. Nothing is decided by them.
 */
#pragma once

#include "kernel/base.h"

/* As a CM: the median of that node's application; 0: not known. Cut to a minute, and to 16 ns. */
void service_times_publish(node_id_t node, uint64_t service_ns);
/* Of that node's application, as its CM says; 0: not known, or it has none. */
uint64_t service_times_look(node_id_t node);
