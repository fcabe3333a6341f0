/* SPDX-License-Identifier: MIT */
/* Files and sleeping (POSIX). */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#define STDIN_FILENO  0
#define STDOUT_FILENO 1
#define STDERR_FILENO 2

#define SEEK_SET 0
#define SEEK_CUR 1
#define SEEK_END 2

#define _SC_OPEN_MAX 4 /* descriptors: by the node's memory */
#define _SC_PAGESIZE 30

ssize_t read(int fd, void *buffer, size_t bytes);
ssize_t write(int fd, const void *buffer, size_t bytes);
int close(int fd);
int pipe(int fds[2]);
int pipe2(int fds[2], int flags); /* O_NONBLOCK, O_CLOEXEC */
off_t lseek(int fd, off_t offset, int whence);
unsigned sleep(unsigned seconds);
int usleep(unsigned microseconds);
pid_t getpid(void);
long sysconf(int name);
_Noreturn void _exit(int status);
