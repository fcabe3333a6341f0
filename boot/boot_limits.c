/* SPDX-License-Identifier: MIT */
/*
 * Numbers on the command line: decimal, with K, M, G or T behind a size.
 */
#include "boot/boot_limits.h"

#include <string.h>

#include "kernel/log.h"
#include "libc/core/command_line.h"
#include "libc/core/numbers.h"

static uint64_t read_limit(const char *line, const char *key, uint64_t least)
{
    const char *text;
    int length = command_line_find(line, key, &text);
    uint64_t value;

    if (length < 0) {
        return UINT64_MAX;
    }
    if (number_parse_size(text, (size_t)length, &value) != 0) {
        log_warning("boot", "command line: %s=%.*s is no number, ignored", key, length, text);
        return UINT64_MAX;
    }
    if (value < least) {
        log_warning("boot", "command line: %s=%.*s is too little, using %lu", key, length, text,
                    least);
        return least;
    }
    return value;
}

static enum boot_restart read_restart(const char *line)
{
    const char *text;
    int length = command_line_find(line, "restart", &text);

    if (length == 2 && memcmp(text, "no", 2) == 0) {
        return RESTART_NO;
    }
    if (length == 6 && memcmp(text, "always", 6) == 0) {
        return RESTART_ALWAYS;
    }
    if (length >= 0 && (length != 3 || memcmp(text, "yes", 3) != 0)) {
        log_warning("boot", "command line: restart=%.*s is none of yes, no, always; ignored",
                    length, text);
    }
    return RESTART_WITH_DELAYS;
}

static bool read_randomise(const char *line)
{
    const char *text;
    int length = command_line_find(line, "randomise", &text);

    if (length == 2 && memcmp(text, "no", 2) == 0) {
        return false;
    }
    if (length >= 0 && (length != 3 || memcmp(text, "yes", 3) != 0)) {
        log_warning("boot", "command line: randomise=%.*s is none of yes, no; ignored", length,
                    text);
    }
    return true;
}

struct boot_limits boot_limits_read(const char *line)
{
    return (struct boot_limits){
        .node_count = read_limit(line, "nodes", 1),
        .memory_bytes = read_limit(line, "mem", BOOT_LIMIT_MEMORY_MIN_BYTES),
        .restart = read_restart(line),
        .has_fixed_addresses = !read_randomise(line),
    };
}
