/* SPDX-License-Identifier: MIT */
/* Time of day (POSIX). */
#pragma once

#include <sys/types.h>

struct timeval {
    time_t tv_sec;
    suseconds_t tv_usec;
};

int gettimeofday(struct timeval *restrict result, void *restrict zone);
