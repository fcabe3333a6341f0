/* SPDX-License-Identifier: MIT */
/* select() (POSIX): descriptors below FD_SETSIZE; use epoll for many. */
#pragma once

#include <string.h>
#include <sys/time.h>

#define FD_SETSIZE 1024

typedef struct {
    unsigned long bits[FD_SETSIZE / (8 * sizeof(unsigned long))];
} fd_set;

#define FD_WORD(fd, set)  ((set)->bits[(fd) / (8 * sizeof(unsigned long))])
#define FD_BIT(fd)        (1ul << ((fd) % (8 * sizeof(unsigned long))))
#define FD_ZERO(set)      ((void)memset((set), 0, sizeof(fd_set)))
#define FD_SET(fd, set)   ((void)(FD_WORD(fd, set) |= FD_BIT(fd)))
#define FD_CLR(fd, set)   ((void)(FD_WORD(fd, set) &= ~FD_BIT(fd)))
#define FD_ISSET(fd, set) ((FD_WORD(fd, set) & FD_BIT(fd)) != 0)

int select(int count, fd_set *restrict readable, fd_set *restrict writable,
           fd_set *restrict exceptional, struct timeval *restrict timeout);
