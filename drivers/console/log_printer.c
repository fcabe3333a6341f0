/* SPDX-License-Identifier: MIT */
/*
 * From the log rings on all nodes' status pages to the console. What another node has written there
 * is bounded by status_log_read(); how far each is printed stands on this node's own page, so that
 * the next owner knows.
 */
#include "drivers/console/log_printer.h"

#include "kernel/log.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"

static bool is_owner; /* when it was last asked: then what this node's page says was set up */

/* How far a node's log is printed; valid while this node owns the console. */
static uint32_t printed_of(node_id_t node)
{
    return status_log_printed(platform_node(), node);
}

/* Go on where the furthest of the former owners stopped. */
static void find_printed(void)
{
    unsigned node_count = platform_node_count();

    for (unsigned node = 0; node < node_count; node++) {
        uint32_t written = status_log_written((node_id_t)node);
        uint32_t furthest = 0;

        for (unsigned owner = 0; owner < node_count; owner++) {
            uint32_t position = status_log_printed((node_id_t)owner, (node_id_t)node);
            /* The fewer bytes behind the writer, the further. */
            if (written - position < written - furthest) {
                furthest = position;
            }
        }
        status_log_set_printed((node_id_t)node, furthest);
    }
}

bool log_printer_take(void)
{
    bool was_owner = is_owner;

    is_owner = log_is_console_owner();
    if (is_owner && !was_owner) {
        find_printed();
    }
    return is_owner;
}

size_t log_printer_read(node_id_t node, uint32_t *position, char *line, size_t size)
{
    size_t length = status_log_read(node, position, line, size);

    if (length != 0 && line[0] >= LOG_MARK && line[0] <= LOG_MARK + LOG_DEBUG) {
        line[0] = '[';
    }
    return length;
}

static unsigned print_node(node_id_t node)
{
    char line[LOG_LINE_MAX_BYTES];
    uint32_t position = printed_of(node);
    unsigned line_count = 0;

    /* Bounded by what fits the ring: a writer faster than the console does not hold us here. */
    for (size_t bytes = 0; bytes < STATUS_LOG_BYTES;) {
        size_t length = log_printer_read(node, &position, line, sizeof(line));

        if (length == 0) {
            break;
        }
        platform_console->write(line, length);
        bytes += length;
        line_count++;
    }
    status_log_set_printed(node, position);
    return line_count;
}

unsigned log_printer_print(void)
{
    unsigned line_count = 0;

    if (!log_printer_take()) {
        return 0;
    }
    for (unsigned node = 0; node < platform_node_count(); node++) {
        if (status_log_written((node_id_t)node) != printed_of((node_id_t)node)) {
            line_count += print_node((node_id_t)node);
        }
    }
    return line_count;
}

void log_printer_start(void)
{
    is_owner = false;
}
