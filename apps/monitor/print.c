/* SPDX-License-Identifier: MIT */
#include "apps/monitor/print.h"

#include <stdarg.h>

#include "drivers/console/console.h"
#include "libc/core/format.h"

void monitor_print(const char *format, ...)
{
    char text[256];
    struct output output;
    va_list arguments;

    output_start(&output, text, sizeof(text));
    va_start(arguments, format);
    format_append_v(&output, format, arguments);
    va_end(arguments);
    console_answer(text, output_fitting_bytes(&output));
}
