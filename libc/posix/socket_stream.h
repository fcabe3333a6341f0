/* SPDX-License-Identifier: MIT */
/*
 * The byte stream of a connection that is ours: DATA and SEND with credit both ways.
 */
#pragma once

#include "libc/posix/socket_table.h"

extern const struct descriptor_operations socket_stream_operations;

/* Register the messages of this file. */
void socket_stream_start(void);
/* Give a fresh connection its operations. */
void socket_stream_initialise(struct socket *connection);
