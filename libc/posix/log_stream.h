/* SPDX-License-Identifier: MIT */
/*
 * What descriptor.c and exit.c need of stdio.c.
 */
#pragma once

#include <sys/types.h>

/* write() to standard output or error: whole lines go to the log. Returns `bytes`, or -EBADF. */
ssize_t log_stream_write(int fd, const void *text, size_t bytes);
/* Write what stands in lines that have no end yet. */
void log_streams_end_lines(void);
