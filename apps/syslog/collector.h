/* SPDX-License-Identifier: MIT */
/*
 * Where messages of syslog go, as options say it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct syslog_collector {
    uint32_t address; /* network byte order */
    uint16_t port;    /* the machine's */
};

/* An IPv4 address with or without a port behind a colon, and nothing else; SYSLOG_PORT without. */
bool syslog_read_collector(const char *text, size_t bytes, struct syslog_collector *collector);
