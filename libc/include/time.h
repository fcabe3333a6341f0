/* SPDX-License-Identifier: MIT */
/* Clocks, dates and sleeping (C11 7.27, POSIX). The time zone is UTC. */
#pragma once

#include <stddef.h>
#include <sys/types.h>

struct timespec {
    time_t tv_sec;
    long tv_nsec;
};

struct itimerspec {
    struct timespec it_interval; /* 0: once */
    struct timespec it_value;    /* 0: not set */
};

struct tm {
    int tm_sec;
    int tm_min;
    int tm_hour;
    int tm_mday;
    int tm_mon;  /* 0 = January */
    int tm_year; /* since 1900 */
    int tm_wday; /* 0 = Sunday */
    int tm_yday;
    int tm_isdst;
};

#define CLOCK_REALTIME         0
#define CLOCK_MONOTONIC        1
#define CLOCK_REALTIME_COARSE  5 /* as of the start of the dispatch round */
#define CLOCK_MONOTONIC_COARSE 6

time_t time(time_t *result);
int clock_gettime(clockid_t clock, struct timespec *result);
int nanosleep(const struct timespec *duration, struct timespec *remaining);
struct tm *gmtime_r(const time_t *restrict seconds, struct tm *restrict result);
time_t timegm(struct tm *date);
/* Conversions a b A B d e H j m M n S t T Y y Z %, D and F; names are English. */
size_t strftime(char *restrict text, size_t size, const char *restrict format,
                const struct tm *restrict date);
