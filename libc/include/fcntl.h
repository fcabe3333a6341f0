/* SPDX-License-Identifier: MIT */
/* Opening and controlling files (POSIX); Linux's values. */
#pragma once

#include <sys/types.h>

#define O_RDONLY   0
#define O_WRONLY   1
#define O_RDWR     2
#define O_ACCMODE  3
#define O_CREAT    0100
#define O_TRUNC    01000
#define O_NONBLOCK 04000
#define O_CLOEXEC  02000000

#define F_GETFD    1
#define F_SETFD    2
#define F_GETFL    3
#define F_SETFL    4
#define FD_CLOEXEC 1

/* Boot modules as /boot/NAME, and what the system tells of itself under /proc; all read-only. */
int open(const char *path, int flags, ...);
int fcntl(int fd, int command, ...);

/* Between a pipe and another descriptor, and from pipe to pipe without taking (Linux). */
#define SPLICE_F_MOVE     1 /* means nothing */
#define SPLICE_F_NONBLOCK 2 /* does not wait for the pipe */
#define SPLICE_F_MORE     4
#define SPLICE_F_GIFT     8 /* means nothing */
ssize_t splice(int in, loff_t *in_offset, int out, loff_t *out_offset, size_t bytes,
               unsigned flags);
ssize_t tee(int in, int out, size_t bytes, unsigned flags);
