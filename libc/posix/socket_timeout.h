/* SPDX-License-Identifier: MIT */
/*
 * SO_RCVTIMEO and SO_SNDTIMEO: a struct timeval of the program's, as nanoseconds; 0: none.
 */
#pragma once

#include <stdint.h>
#include <sys/socket.h>

/* Returns 0, -EINVAL (it is too short) or -EDOM, as on Linux, where a negative time is over at
 * once. */
int socket_read_timeout(const void *value, socklen_t bytes, uint64_t *timeout_ns);
/* What there is room for. */
void socket_tell_timeout(uint64_t timeout_ns, void *value, socklen_t *bytes);
