/* SPDX-License-Identifier: MIT */
/* A counter behind a descriptor (Linux). */
#pragma once

#include <stdint.h>

#define EFD_SEMAPHORE 1
#define EFD_NONBLOCK  04000
#define EFD_CLOEXEC   02000000

typedef uint64_t eventfd_t;

int eventfd(unsigned value, int flags);
int eventfd_read(int fd, eventfd_t *value);
int eventfd_write(int fd, eventfd_t value);
