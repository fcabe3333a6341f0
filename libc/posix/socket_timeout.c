/* SPDX-License-Identifier: MIT */
/*
 * Time-outs of sockets: see socket_timeout.h.
 */
#include "libc/posix/socket_timeout.h"

#include <errno.h>
#include <string.h>
#include <sys/time.h>

#include "kernel/base.h"

#define US_PER_S 1000000

int socket_read_timeout(const void *value, socklen_t bytes, uint64_t *timeout_ns)
{
    struct timeval time;

    if (bytes < sizeof(time)) {
        return -EINVAL;
    }
    memcpy(&time, value, sizeof(time));
    if (time.tv_usec < 0 || time.tv_usec >= US_PER_S) {
        return -EDOM;
    }
    *timeout_ns = time.tv_sec < 0 ? 1
                  : (uint64_t)time.tv_sec < INT64_MAX / NS_PER_S
                      ? (uint64_t)time.tv_sec * NS_PER_S + (uint64_t)time.tv_usec * NS_PER_US
                      : 0;
    return 0;
}

void socket_tell_timeout(uint64_t timeout_ns, void *value, socklen_t *bytes)
{
    const struct timeval time = {.tv_sec = (time_t)(timeout_ns / NS_PER_S),
                                 .tv_usec = (long)(timeout_ns % NS_PER_S / NS_PER_US)};

    *bytes = *bytes < sizeof(time) ? *bytes : sizeof(time);
    memcpy(value, &time, *bytes);
}
