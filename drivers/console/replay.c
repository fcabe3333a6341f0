/* SPDX-License-Identifier: MIT */
/*
 * The log's lines once more, from the rings on all nodes' status pages.
 */
#include "drivers/console/replay.h"

#include "drivers/console/log_printer.h"
#include "kernel/log.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "libc/core/numbers.h"

struct replay {
    struct {
        uint32_t position;
        uint64_t time_us; /* of the line that begins there; UINT64_MAX when there is none */
    } nodes[NODE_MAX];
};

/* `[ 12.345678] ...` as microseconds. */
static uint64_t time_of(const char *line, size_t length)
{
    uint64_t time_us = 0;

    for (size_t i = 0; i < length && line[i] != ']'; i++) {
        int digit = number_digit(line[i], 10);

        if (digit >= 0) {
            time_us = time_us * 10 + (uint64_t)digit;
        }
    }
    return time_us;
}

/* Copy the next line of a node that was printed, and pass over it; 0 when there is none. */
static size_t next_printed(node_id_t node, uint32_t *position, char line[LOG_LINE_MAX_BYTES])
{
    uint32_t start = *position;
    size_t length = log_printer_read(node, position, line, LOG_LINE_MAX_BYTES);

    ASSERT(length <= LOG_LINE_MAX_BYTES);
    uint32_t printed = status_log_printed(platform_node(), node);

    /* What lies behind that is still to come. */
    return printed - start < *position - start ? 0 : length;
}

static void look_ahead(struct replay *replay, node_id_t node)
{
    char line[LOG_LINE_MAX_BYTES];
    uint32_t position = replay->nodes[node].position;
    size_t length = next_printed(node, &position, line);

    replay->nodes[node].time_us = length != 0 ? time_of(line, length) : UINT64_MAX;
}

static void start_replay(struct replay *replay)
{
    for (unsigned node = 0; node < platform_node_count(); node++) {
        uint32_t written = status_log_written((node_id_t)node);

        /* Before the oldest byte that is left: reading goes on behind what is damaged. */
        replay->nodes[node].position = written < STATUS_LOG_BYTES ? 0 : written - STATUS_LOG_BYTES;
        look_ahead(replay, (node_id_t)node);
    }
}

/* The oldest line of all; 0 when there is none. */
static size_t replay_line(struct replay *replay, char line[LOG_LINE_MAX_BYTES])
{
    unsigned oldest = 0;

    for (unsigned node = 1; node < platform_node_count(); node++) {
        if (replay->nodes[node].time_us < replay->nodes[oldest].time_us) {
            oldest = node;
        }
    }
    if (replay->nodes[oldest].time_us == UINT64_MAX) {
        return 0;
    }
    size_t length = next_printed((node_id_t)oldest, &replay->nodes[oldest].position, line);

    look_ahead(replay, (node_id_t)oldest);
    return length;
}

void console_replay(unsigned line_max, void (*write)(const char *line, size_t length_bytes))
{
    struct replay replay;
    char line[LOG_LINE_MAX_BYTES];
    unsigned line_count = 0;
    size_t length;

    if (!log_printer_take()) {
        return;
    }
    start_replay(&replay);
    while (replay_line(&replay, line) != 0) {
        line_count++;
    }
    start_replay(&replay);
    for (unsigned i = 0; (length = replay_line(&replay, line)) != 0; i++) {
        if (i + line_max >= line_count) {
            write(line, length);
        }
    }
}
