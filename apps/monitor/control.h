/* SPDX-License-Identifier: MIT */
/*
 * What a person may ask of a node by way of another one: to log more, to stop.
 */
#pragma once

#include "kernel/base.h"

/* Ask one node, or all that run but this one. `value` as of `log=`, 1 .. CONTROL_LOG_MAX_BYTES
 * bytes of it. */
#define CONTROL_LOG_MAX_BYTES 56u
void control_set_log_elsewhere(const char *value, size_t length_bytes);
void control_stop_elsewhere(void);
/* Have a node go, or stay after all; or all that have a role, this one included, finish:
 * net/draining.h. */
void control_drain(node_id_t node);
void control_stay(node_id_t node);
void control_finish_everywhere(void);
