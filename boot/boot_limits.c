/* SPDX-License-Identifier: MIT */
/*
 * Numbers on the command line: decimal, with K, M, G or T behind a size.
 */
#include "boot/boot_limits.h"

#include "kernel/log.h"
#include "libc/core/command_line.h"

/* The power of 1024 that a letter stands for, or 0. */
static unsigned unit_power(char letter)
{
    static const char letters[] = "KMGT";

    for (unsigned i = 0; letters[i] != '\0'; i++) {
        if ((letter & ~0x20) == letters[i]) {
            return i + 1;
        }
    }
    return 0;
}

/* False when it is no number, or one too large. */
static bool parse_size(const char *text, int length, uint64_t *size)
{
    unsigned power = length > 1 ? unit_power(text[length - 1]) : 0;
    int digit_count = power > 0 ? length - 1 : length;

    *size = 0;
    for (int i = 0; i < digit_count; i++) {
        if (text[i] < '0' || text[i] > '9' || __builtin_mul_overflow(*size, 10u, size) ||
            __builtin_add_overflow(*size, (uint64_t)(text[i] - '0'), size)) {
            return false;
        }
    }
    return digit_count > 0 && !__builtin_mul_overflow(*size, 1ull << 10 * power, size);
}

static uint64_t read_limit(const char *line, const char *key, uint64_t least)
{
    const char *text;
    int length = command_line_find(line, key, &text);
    uint64_t value;

    if (length < 0) {
        return UINT64_MAX;
    }
    if (!parse_size(text, length, &value)) {
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

struct boot_limits boot_limits_read(const char *line)
{
    return (struct boot_limits){
        .node_count = read_limit(line, "nodes", 1),
        .memory_bytes = read_limit(line, "mem", BOOT_LIMIT_MEMORY_MIN_BYTES),
    };
}
