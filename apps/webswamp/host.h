/* SPDX-License-Identifier: MIT */
/*
 * What the load generator asks of the system it runs on, beyond POSIX: answered by host_talus.c and
 * linux/host.c.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "apps/webswamp/result.h"

/* Make ready for so many connections, and wait for an address, but not for ever. False: there is
 * none. */
bool load_host_start(unsigned connections);
/* As recv(fd, buffer, bytes, 0), but what has come may be left where it lies: *data is where it is
 * until the next call that may wait, and is only read. */
ssize_t load_host_receive(int fd, void *buffer, size_t bytes, const void **data);
/* Where others see it: the load has ended. */
void load_host_publish(const struct result *result);
/* Print what all nodes of the machine have come to, if this is the one to do that: waits for them
 * up to so long. */
void load_host_total(uint64_t patience_ns);
