/* SPDX-License-Identifier: MIT */
/*
 * Lines made here, kept on the status page (status.c), printed by the console's owner.
 */
#include "kernel/log.h"

#include <string.h>

#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "libc/core/format.h"

static enum log_level highest_level = LOG_INFO;
static bool (*is_wanted)(enum log_level level, const char *subsystem);
static void (*append_stamp)(struct output *output);

static bool is_unannounced; /* written lines of which the console's owner has not been told */
static bool is_deferred;

void log_set_filter(enum log_level highest, bool (*filter)(enum log_level, const char *))
{
    highest_level = highest;
    is_wanted = filter;
}

void log_set_stamp(void (*append)(struct output *output))
{
    append_stamp = append;
}

static void append_seconds(struct output *output)
{
    unsigned long long now_us = platform_now_ns() / NS_PER_US;

    format_append(output, "%5llu.%06llu", now_us / 1000000, now_us % 1000000);
}

void log_write(enum log_level level, const char *subsystem, const char *format, ...)
{
    if (level > highest_level || (is_wanted != NULL && !is_wanted(level, subsystem))) {
        return;
    }
    char line[LOG_LINE_MAX_BYTES]; /* its zero becomes the newline */
    struct output output;
    va_list arguments;
    node_id_t node = platform_node();

    output_start(&output, line, sizeof(line));
    format_append(&output, "[");
    (append_stamp != NULL ? append_stamp : append_seconds)(&output);
    format_append(&output, "] node%u %s: ", (unsigned)node, subsystem);
    va_start(arguments, format);
    format_append_v(&output, format, arguments);
    va_end(arguments);
    output_replace_unprintable(&output);

    size_t length = output_fitting_bytes(&output);
    node_id_t owner = log_console_owner();
    uint32_t owner_printed = owner != NODE_NONE ? status_log_printed(owner, node) : 0;

    line[0] = (char)(LOG_MARK + level);
    line[length++] = '\n';
    counter_add(COUNTER_LOG_LOST, status_log_append(line, length, owner_printed));
    is_unannounced = true;
    if (!is_deferred && owner == node) {
        (void)platform_console->print();
    }
}

bool log_take_unannounced(void)
{
    bool was_unannounced = is_unannounced;

    is_unannounced = false;
    return was_unannounced;
}

void log_defer_printing(bool is_wanted)
{
    is_deferred = is_wanted;
}

/* --- Who prints --- */

node_id_t log_console_owner(void)
{
    node_id_t owner = NODE_NONE;
    uint32_t first = UINT32_MAX;

    for (node_id_t node = 0; node < platform_node_count() && first != 0; node++) {
        enum node_state state = status_node_state(node);
        uint32_t order = status_start_order(node);

        if ((state == NODE_STARTING || state == NODE_RUNNING) && order < first) {
            first = order;
            owner = node;
        }
    }
    /* The last of all prints its own last words. */
    return owner == NODE_NONE && status_is_holding_console(platform_node()) ? platform_node()
                                                                            : owner;
}

bool log_is_console_owner(void)
{
    return log_console_owner() == platform_node();
}

void log_flush_all(void)
{
    node_id_t owner = log_console_owner();

    if (owner == platform_node()) {
        (void)platform_console->print();
    } else if (owner != NODE_NONE) {
        platform_send_attention(owner);
    }
}

void log_end(void)
{
    bool has_console = log_is_console_owner();

    status_set_state(has_console ? NODE_DEAD_WITH_CONSOLE : NODE_DEAD);
    /* Who is not running yet looks for the dead once it is: see dispatch_run(). */
    status_send_attention();
    if (has_console) {
        platform_console->write_through();
        log_flush_all();
        platform_console->flush();
        status_set_state(NODE_DEAD);
    }
}
