/* SPDX-License-Identifier: MIT */
/*
 * What the load generator asks of Linux: descriptors.
 */
#include "apps/webswamp/host.h"

#include <sys/resource.h>
#include <sys/socket.h>

#define DESCRIPTOR_RESERVE 16u

bool load_host_start(unsigned connections)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 &&
        limit.rlim_cur < connections + DESCRIPTOR_RESERVE) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit); /* what is still missing is told as an error */
    }
    return true;
}

ssize_t load_host_receive(int fd, void *buffer, size_t bytes, const void **data)
{
    *data = buffer;
    return recv(fd, buffer, bytes, 0);
}

void load_host_publish(const struct result *result)
{
    (void)result; /* it was printed; there is no page of counters */
}

void load_host_total(uint64_t patience_ns)
{
    (void)patience_ns; /* a process is all there is */
}
