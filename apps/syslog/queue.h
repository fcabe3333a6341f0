/* SPDX-License-Identifier: MIT */
/*
 * Lines of the log that wait for the collector: a FIFO of fixed length. When it is full the oldest
 * ones stay, which tell how it began, and those that find no room are counted.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/base.h"
#include "kernel/log.h"

/* Chosen: some boots' logs. */
#define SYSLOG_QUEUE_LINES 512u

struct syslog_waiting {
    node_id_t node;
    uint16_t bytes;
    uint32_t position;   /* in its node's log, behind it */
    uint32_t lost_count; /* lines that were lost behind the one before it */
    char text[LOG_LINE_MAX_BYTES];
};

struct syslog_queue {
    struct syslog_waiting *lines; /* NULL: there is no memory, and no line finds room */
    unsigned first, count;
    uint32_t lost_count; /* since the last one that found room */
};

/* Takes memory, if it has none yet and there is some. */
void syslog_queue_start(struct syslog_queue *queue);
/* A copy of the line. False: it found no room. */
bool syslog_queue_add(struct syslog_queue *queue, node_id_t node, uint32_t position,
                      const char *line, size_t bytes);
/* NULL when none waits. */
const struct syslog_waiting *syslog_queue_first(const struct syslog_queue *queue);
void syslog_queue_drop_first(struct syslog_queue *queue);
