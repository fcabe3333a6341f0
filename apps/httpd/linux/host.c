/* SPDX-License-Identifier: MIT */
/*
 * What the web server tells Linux: a line on standard output.
 */
#include "apps/httpd/host.h"

#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

unsigned host_node(void)
{
    return 0;
}

void host_name(char name[HOST_NAME_BYTES])
{
    if (gethostname(name, HOST_NAME_BYTES - 1) != 0) {
        name[0] = '\0';
    }
    name[HOST_NAME_BYTES - 1] = '\0'; /* a longer one is cut */
}

void host_announce(uint16_t port)
{
    printf("listening on http://127.0.0.1:%u/\n", port);
    fflush(stdout);
}

bool host_is_ending(int fd)
{
    (void)fd; /* a process that ends just ends */
    return false;
}

ssize_t host_receive(int fd, void *buffer, size_t bytes, const void **data)
{
    *data = buffer;
    return recv(fd, buffer, bytes, 0);
}

void host_count_request(void)
{
    /* Linux keeps its own counters of sockets; nobody would read this one. */
}

void host_end_round(void)
{
    /* Nor the durations of requests. */
}

void host_count_turned_away(void)
{
    /* Likewise; main.c writes a line when it begins and when it ends. */
}

void host_count_wrong_lines(unsigned count)
{
    (void)count; /* each of them has been told on standard error */
}

void host_note_refusal(unsigned status)
{
    (void)status; /* Linux has no log of such detail */
}

void host_add_pages(void)
{
    /* Linux has tcpdump. */
}

void host_count_access_line(bool is_sent)
{
    (void)is_sent; /* access_log.c says what is lost */
}
