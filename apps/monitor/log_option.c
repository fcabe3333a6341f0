/* SPDX-License-Identifier: MIT */
/*
 * Levels of the log as text.
 */
#include "apps/monitor/log_option.h"

#include <string.h>

#include "kernel/component.h"
#include "kernel/log.h"
#include "kernel/platform.h"
#include "libc/core/command_line.h"

static const char *const level_names[] = {
    [LOG_ERROR] = "error",
    [LOG_WARNING] = "warning",
    [LOG_INFO] = "info",
    [LOG_DEBUG] = "debug",
};

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

static bool apply_word(const char *word, size_t length)
{
    const char *equals = memchr(word, '=', length);
    size_t name_length = equals != NULL ? (size_t)(equals - word) : 0;
    const char *level_text = equals != NULL ? equals + 1 : word;
    enum log_level level;

    return parse_level(level_text, length - (size_t)(level_text - word), &level) &&
           (equals == NULL || name_length > 0) && log_set_level(word, name_length, level);
}

unsigned log_option_apply(const char *value, size_t length_bytes)
{
    const char *end = value + length_bytes;
    unsigned ignored_count = 0;

    log_reset_levels();
    while (value < end) {
        const char *comma = memchr(value, ',', (size_t)(end - value));
        size_t length = (size_t)((comma != NULL ? comma : end) - value);

        if (!apply_word(value, length)) {
            log_warning("log", "log=: ignored `%.*s`: levels are error, warning, info, debug",
                        (int)length, value);
            ignored_count++;
        }
        value += length + 1;
    }
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
