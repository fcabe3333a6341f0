/* SPDX-License-Identifier: MIT */
/*
 * Levels of the log as text.
 */
#include "apps/monitor/log_option.h"

#include <string.h>
#include <time.h>

#include "kernel/component.h"
#include "kernel/log.h"
#include "kernel/platform.h"
#include "libc/core/command_line.h"
#include "libc/core/format.h"
#include "net/wall_clock.h"

/* Subsystems with a level of their own: chosen, twice what a user would name. */
#define OVERRIDE_MAX         8
#define SUBSYSTEM_NAME_BYTES 16

/* Lines begin with the date, not with the seconds since boot. */
#define DATE_WORD "time"

struct level_override {
    char subsystem[SUBSYSTEM_NAME_BYTES];
    enum log_level level;
};

static enum log_level general_level;
static struct level_override overrides[OVERRIDE_MAX];
static unsigned override_count;

static const char *const level_names[] = {
    [LOG_ERROR] = "error",
    [LOG_WARNING] = "warning",
    [LOG_INFO] = "info",
    [LOG_DEBUG] = "debug",
};

static bool is_level_wanted(enum log_level level, const char *subsystem)
{
    for (unsigned i = 0; i < override_count; i++) {
        if (strcmp(overrides[i].subsystem, subsystem) == 0) {
            return level <= overrides[i].level;
        }
    }
    return level <= general_level;
}

/* The kernel's one comparison comes before is_level_wanted(). */
static void set_filter(void)
{
    enum log_level highest = general_level;

    for (unsigned i = 0; i < override_count; i++) {
        highest = overrides[i].level > highest ? overrides[i].level : highest;
    }
    log_set_filter(highest, is_level_wanted);
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

/* As RFC 3339 has it, in UTC. */
static void append_date(struct output *output)
{
    uint64_t wall_us = wall_clock_at(platform_now_ns()) / NS_PER_US;
    time_t seconds = (time_t)(wall_us / 1000000);
    char date[sizeof("2026-11-29T12:34:56")];
    struct tm tm;

    (void)strftime(date, sizeof(date), "%FT%T", gmtime_r(&seconds, &tm)); /* a year has 4 digits */
    format_append(output, "%s.%06uZ", date, (unsigned)(wall_us % 1000000));
}

static bool apply_word(const char *word, size_t length)
{
    if (length == strlen(DATE_WORD) && memcmp(word, DATE_WORD, length) == 0) {
        log_set_stamp(append_date);
        return true;
    }
    const char *equals = memchr(word, '=', length);
    const char *level_text = equals != NULL ? equals + 1 : word;
    enum log_level level;

    if (!parse_level(level_text, length - (size_t)(level_text - word), &level)) {
        return false;
    }
    if (equals != NULL) {
        return set_override(word, (size_t)(equals - word), level);
    }
    general_level = level;
    return true;
}

unsigned log_option_apply(const char *value, size_t length_bytes)
{
    const char *at = value;
    const char *end = value + length_bytes;
    unsigned ignored_count = 0;

    general_level = LOG_INFO;
    override_count = 0;
    log_set_stamp(NULL);
    while (at < end) {
        const char *comma = memchr(at, ',', (size_t)(end - at));
        size_t length = (size_t)((comma != NULL ? comma : end) - at);

        if (!apply_word(at, length)) {
            log_warning("log", "log=: ignored `%.*s`: levels are error, warning, info, debug; time",
                        (int)length, at);
            ignored_count++;
        }
        at += length + 1;
    }
    set_filter();
    log_debug("log", "log=%.*s", (int)length_bytes, value);
    return ignored_count;
}

static void apply_command_line(void)
{
    const char *value;
    int length = command_line_find(platform_command_line(), "log", &value);

    if (length > 0) {
        (void)log_option_apply(value, (size_t)length); /* it has logged what it ignores */
    }
}

static const struct component log_option_component = {.steps = {[NODE_FIRST] = apply_command_line}};
COMPONENT(log_option_component);
