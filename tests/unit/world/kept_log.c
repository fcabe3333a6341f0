/* SPDX-License-Identifier: MIT */
/*
 * A log that keeps what is written: see kept_log.h.
 */
#include "tests/unit/world/kept_log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "kernel/log.h"

static char text[8192];

void log_write(enum log_level level, const char *subsystem, const char *format, ...)
{
    size_t length = strlen(text);
    va_list arguments;

    (void)level;
    (void)subsystem;
    va_start(arguments, format);
    (void)vsnprintf(text + length, sizeof(text) - length, format, arguments);
    va_end(arguments);
    strncat(text, "\n", sizeof(text) - strlen(text) - 1);
}

const char *kept_log(void)
{
    return text;
}

void kept_log_clear(void)
{
    text[0] = '\0';
}

bool is_logged(const char *wanted)
{
    return strstr(text, wanted) != NULL;
}
