/* SPDX-License-Identifier: MIT */
/*
 * --status PORT: the machine's counters for Prometheus, as /metrics of a web server; any request
 * gets them, and a client without one is closed: it is for those who run the machine.
 */
#pragma once

#include <stdint.h>

/* Returns false, with errno, if the port cannot be had. */
int status_open(int epoll_fd, uint16_t port);
/* Its descriptor has an event. */
void status_handle(void);
