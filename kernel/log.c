/* SPDX-License-Identifier: MIT */
/*
 * The log: lines made here, kept on the status page (status.c), printed by the console's owner.
 */
#include "kernel/log.h"

#include <string.h>

#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "libc/core/format.h"

/* Levels of single subsystems that `log=` may name: chosen, twice what a user would type. */
#define OVERRIDE_MAX         8
#define SUBSYSTEM_NAME_BYTES 16

struct level_override {
    char subsystem[SUBSYSTEM_NAME_BYTES];
    enum log_level level;
};

static enum log_level general_level = LOG_INFO;
static enum log_level highest_level = LOG_INFO; /* of general and overrides: the one comparison */
static struct level_override overrides[OVERRIDE_MAX];
static unsigned override_count;

static bool has_news;
static bool is_deferred;

/* How far this node has printed each node's log; valid while it is the owner. */
static uint32_t printed[NODE_MAX];
static bool is_owner; /* when it last took the console: then `printed` was set up */

static const char *const level_names[] = {
    [LOG_ERROR] = "error",
    [LOG_WARNING] = "warning",
    [LOG_INFO] = "info",
    [LOG_DEBUG] = "debug",
};

/* --- Levels --- */

static void update_highest_level(void)
{
    highest_level = general_level;
    for (unsigned i = 0; i < override_count; i++) {
        if (overrides[i].level > highest_level) {
            highest_level = overrides[i].level;
        }
    }
}

static bool is_level_wanted(enum log_level level, const char *subsystem)
{
    for (unsigned i = 0; i < override_count; i++) {
        if (strcmp(overrides[i].subsystem, subsystem) == 0) {
            return level <= overrides[i].level;
        }
    }
    return level <= general_level;
}

static bool parse_level(const char *text, size_t length, enum log_level *level)
{
    for (unsigned i = 0; i < ARRAY_COUNT(level_names); i++) {
        if (strlen(level_names[i]) == length && memcmp(level_names[i], text, length) == 0) {
            *level = (enum log_level)i;
            return true;
        }
    }
    return false;
}

static bool set_override(const char *subsystem, size_t length, enum log_level level)
{
    if (length == 0 || length >= SUBSYSTEM_NAME_BYTES || override_count == OVERRIDE_MAX) {
        return false;
    }
    struct level_override *override = &overrides[override_count++];
    memcpy(override->subsystem, subsystem, length);
    override->subsystem[length] = '\0';
    override->level = level;
    return true;
}

static bool configure_word(const char *word, size_t length)
{
    const char *equals = memchr(word, '=', length);
    size_t name_length = equals != NULL ? (size_t)(equals - word) : 0;
    const char *level_text = equals != NULL ? equals + 1 : word;
    enum log_level level;

    if (!parse_level(level_text, length - (size_t)(level_text - word), &level)) {
        return false;
    }
    if (equals != NULL) {
        return set_override(word, name_length, level);
    }
    general_level = level;
    return true;
}

unsigned log_configure(const char *value, size_t length_bytes)
{
    const char *end = value + length_bytes;
    unsigned ignored_count = 0;

    override_count = 0;
    while (value < end) {
        const char *comma = memchr(value, ',', (size_t)(end - value));
        size_t length = (size_t)((comma != NULL ? comma : end) - value);

        if (!configure_word(value, length)) {
            log_warning("log", "log=: ignored `%.*s`: levels are error, warning, info, debug",
                        (int)length, value);
            ignored_count++;
        }
        value += length + 1;
    }
    update_highest_level();
    return ignored_count;
}

/* --- Writing --- */

/* Text may quote what came from outside: nothing but printable ASCII reaches a terminal. */
static void replace_control_characters(char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (text[i] < ' ' || text[i] > '~') {
            text[i] = '?';
        }
    }
}

void log_write(enum log_level level, const char *subsystem, const char *format, ...)
{
    if (level > highest_level || !is_level_wanted(level, subsystem)) {
        return;
    }
    char line[LOG_LINE_MAX_BYTES + 1]; /* its zero becomes the newline */
    uint64_t now_us = platform_now_ns() / NS_PER_US;
    node_id_t node = platform_node();

    size_t length = (size_t)format_text(
        line, sizeof(line), "[%5llu.%06llu] node%u %s: ", (unsigned long long)(now_us / 1000000),
        (unsigned long long)(now_us % 1000000), (unsigned)node, subsystem);
    if (length < sizeof(line)) {
        va_list arguments;

        va_start(arguments, format);
        length += (size_t)format_text_v(line + length, sizeof(line) - length, format, arguments);
        va_end(arguments);
    }
    if (length > LOG_LINE_MAX_BYTES - 1) {
        length = LOG_LINE_MAX_BYTES - 1;
    }
    replace_control_characters(line, length);
    line[length++] = '\n';

    node_id_t owner = log_console_owner();
    uint32_t owner_printed = owner != NODE_NONE ? status_log_printed(owner, node) : 0;
    counter_add(COUNTER_LOG_LOST, status_log_append(line, length, owner_printed));
    has_news = true;
    if (!is_deferred) {
        (void)log_print_node(node);
    }
}

bool log_take_news(void)
{
    bool had_news = has_news;

    has_news = false;
    return had_news;
}

void log_defer_printing(void)
{
    is_deferred = true;
}

/* --- Printing --- */

node_id_t log_console_owner(void)
{
    for (unsigned node = 0; node < platform_node_count(); node++) {
        enum node_state state = status_node_state((node_id_t)node);

        if (state == NODE_STARTING || state == NODE_RUNNING) {
            return (node_id_t)node;
        }
    }
    return NODE_NONE;
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
        printed[node] = furthest;
        status_log_set_printed((node_id_t)node, furthest);
    }
}

void log_find_console(void)
{
    is_owner = false;
    is_deferred = false;
}

bool log_is_console_owner(void)
{
    return log_console_owner() == platform_node();
}

bool log_take_console(void)
{
    bool was_owner = is_owner;

    is_owner = log_is_console_owner();
    if (is_owner && !was_owner) {
        find_printed();
    }
    return is_owner;
}

unsigned log_print_node(node_id_t node)
{
    if (!log_take_console() || status_log_written(node) == printed[node]) {
        return 0;
    }
    char line[LOG_LINE_MAX_BYTES];
    unsigned line_count = 0;

    /* Bounded by what fits the ring: a writer faster than the console does not hold us here. */
    for (size_t bytes = 0; bytes < STATUS_LOG_BYTES;) {
        size_t length = status_log_read(node, &printed[node], line, sizeof(line));

        if (length == 0) {
            break;
        }
        platform_console_write(line, length);
        bytes += length;
        line_count++;
    }
    status_log_set_printed(node, printed[node]);
    return line_count;
}

void log_flush_all(void)
{
    if (log_is_console_owner()) {
        for (unsigned node = 0; node < platform_node_count(); node++) {
            (void)log_print_node((node_id_t)node);
        }
    } else {
        node_id_t owner = log_console_owner();

        if (owner != NODE_NONE) {
            platform_tell_news(owner);
        }
    }
}
