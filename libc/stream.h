/* SPDX-License-Identifier: MIT */
/*
 * The byte stream of a connection that is ours: DATA and SEND with credit both ways.
 */
#pragma once

#include "libc/connection.h"

extern const struct descriptor_operations stream_operations;

/* Register the messages of this file. */
void stream_start(void);
/* Give a fresh connection its operations. */
void stream_initialise(struct connection *connection);
