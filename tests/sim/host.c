/* SPDX-License-Identifier: MIT */
/*
 * What the simulated sources ask of the machine: an end when an assertion fails, and a log, which
 * nobody reads here.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "kernel/log.h"
#include "kernel/platform.h"

_Noreturn void platform_panic(const char *file, int line, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)fprintf(stderr, "%s:%d: ", file, line);
    (void)vfprintf(stderr, format, arguments);
    (void)fputc('\n', stderr);
    va_end(arguments);
    abort();
}

void log_write(enum log_level level, const char *subsystem, const char *format, ...)
{
    (void)level;
    (void)subsystem;
    (void)format;
}
