/* SPDX-License-Identifier: MIT */
/*
 * HEADER SP STRUCTURED-DATA SP MSG (RFC 5424 6), without structured data.
 */
#include "apps/syslog/message.h"

#include <string.h>

#include "libc/core/format.h"

#define VERSION 1 /* RFC 5424 6.2.2 */

/* RFC 5424 6: the longest of each. */
#define HOST_MAX_BYTES        255
#define APPLICATION_MAX_BYTES 48
#define PROCESS_MAX_BYTES     128
#define KIND_MAX_BYTES        32

#define NOT_SAID "-" /* NILVALUE */

/* One word: 33 to 126, so no blank either. */
static void append_name(struct output *output, const char *name, size_t most_bytes)
{
    size_t bytes = name != NULL ? strnlen(name, most_bytes) : 0;

    output_append_string(output, " ");
    for (size_t i = 0; i < bytes; i++) {
        bool is_good = name[i] > ' ' && name[i] <= '~';

        output_append(output, is_good ? &name[i] : "?", 1);
    }
    if (bytes == 0) {
        output_append_string(output, NOT_SAID);
    }
}

/* RFC 3339 in UTC, with microseconds (RFC 5424 6.2.3). */
static void append_time(struct output *output, const struct timespec *time)
{
    struct tm date;

    if (gmtime_r(&time->tv_sec, &date) == NULL || date.tm_year < 1 - 1900 ||
        date.tm_year > 9999 - 1900) {
        output_append_string(output, NOT_SAID);
        return;
    }
    format_append(output, "%04d-%02d-%02dT%02d:%02d:%02d.%06ldZ", date.tm_year + 1900,
                  date.tm_mon + 1, date.tm_mday, date.tm_hour, date.tm_min, date.tm_sec,
                  time->tv_nsec / 1000);
}

static void append_text(struct output *output, const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        bool is_good = text[i] >= ' ' && text[i] <= '~';

        output_append(output, is_good ? &text[i] : "?", 1);
    }
}

void syslog_append(struct output *output, const struct syslog_message *message)
{
    format_append(output, "<%u>%u ", 8 * (unsigned)message->facility + (unsigned)message->severity,
                  VERSION);
    append_time(output, &message->time);
    append_name(output, message->host, HOST_MAX_BYTES);
    append_name(output, message->application, APPLICATION_MAX_BYTES);
    append_name(output, message->process, PROCESS_MAX_BYTES);
    append_name(output, message->kind, KIND_MAX_BYTES);
    output_append_string(output, " " NOT_SAID);
    if (message->text_bytes > 0) {
        output_append_string(output, " ");
        append_text(output, message->text, message->text_bytes);
    }
}
