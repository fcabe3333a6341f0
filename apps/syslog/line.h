/* SPDX-License-Identifier: MIT */
/*
 * A line of the log as a message of syslog.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "apps/syslog/message.h"

/* Whoever speaks, as RFC 5424 6 allows it. */
#define SYSLOG_WORD_BYTES 49u

struct syslog_line {
    enum syslog_severity severity;
    /* When: nanoseconds since boot on the writer's clock, or, with `has_date`, since 1970; 0: the
     * line does not say. */
    uint64_t time_ns;
    bool has_date;
    char application[SYSLOG_WORD_BYTES]; /* the subsystem; empty: the line does not say */
    const char *text;                    /* in the line */
    size_t text_bytes;
};

/* As it stands in a ring (kernel/log.h), with or without its newline; any bytes: what is no line of
 * the log is a text of severity info. */
void syslog_read_line(struct syslog_line *message, const char *line, size_t bytes);
