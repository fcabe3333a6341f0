/* SPDX-License-Identifier: MIT */
/*
 * Formatted text. What is written to stdout and stderr becomes whole lines of the system's log,
 * under the name of the thread that wrote them.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "kernel/log.h"
#include "kernel/thread/thread.h"
#include "libc/core/format.h"
#include "libc/posix/descriptor.h"
#include "libc/posix/log_stream.h"

/* A line that is still being written. The log adds its own prefix. */
struct file_stream {
    enum log_level level;
    size_t length;
    char line[LOG_LINE_MAX_BYTES];
};

static struct file_stream out = {.level = LOG_INFO};
static struct file_stream error = {.level = LOG_WARNING};

FILE *const stdout = &out;
FILE *const stderr = &error;

static void end_line(FILE *stream)
{
    const char *name = thread_self() != NULL ? thread_name(thread_self()) : "app";

    if (stream->length > 0) {
        log_write(stream->level, name, "%.*s", (int)stream->length, stream->line);
    }
    stream->length = 0;
}

static void add_text(FILE *stream, const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        if (text[i] == '\n' || stream->length == sizeof(stream->line)) {
            end_line(stream);
        }
        if (text[i] != '\n') {
            stream->line[stream->length++] = text[i];
        }
    }
}

ssize_t log_stream_write(int fd, const void *text, size_t bytes)
{
    if (fd != STDOUT_FILENO && fd != STDERR_FILENO) {
        return -EBADF;
    }
    add_text(fd == STDOUT_FILENO ? stdout : stderr, text, bytes);
    return (ssize_t)bytes;
}

void log_streams_end_lines(void)
{
    end_line(stdout);
    end_line(stderr);
}

int vsnprintf(char *restrict text, size_t size, const char *restrict format, va_list arguments)
{
    return (int)call_result(format_text_v(text, size, format, arguments));
}

int snprintf(char *restrict text, size_t size, const char *restrict format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    int length = vsnprintf(text, size, format, arguments);
    va_end(arguments);
    return length;
}

/* Longer texts than a line of the log are cut. */
int vfprintf(FILE *restrict stream, const char *restrict format, va_list arguments)
{
    char text[LOG_LINE_MAX_BYTES];
    int length = vsnprintf(text, sizeof(text), format, arguments);

    add_text(stream, text, strlen(text));
    return length;
}

int fprintf(FILE *restrict stream, const char *restrict format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    int length = vfprintf(stream, format, arguments);
    va_end(arguments);
    return length;
}

int vprintf(const char *restrict format, va_list arguments)
{
    return vfprintf(stdout, format, arguments);
}

int printf(const char *restrict format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    int length = vfprintf(stdout, format, arguments);
    va_end(arguments);
    return length;
}

int fputs(const char *restrict text, FILE *restrict stream)
{
    add_text(stream, text, strlen(text));
    return 0;
}

int puts(const char *text)
{
    return fputs(text, stdout) + fputc('\n', stdout);
}

int fputc(int character, FILE *stream)
{
    char byte = (char)character;

    add_text(stream, &byte, 1);
    return (unsigned char)byte;
}

int putc(int character, FILE *stream)
{
    return fputc(character, stream);
}

int putchar(int character)
{
    return fputc(character, stdout);
}

size_t fwrite(const void *restrict data, size_t bytes, size_t count, FILE *restrict stream)
{
    size_t total;

    if (__builtin_mul_overflow(bytes, count, &total)) {
        errno = EOVERFLOW; /* so many there cannot be */
        return 0;
    }
    add_text(stream, data, total);
    return bytes != 0 ? count : 0;
}

int fflush(FILE *stream)
{
    /* A part of a line is kept: the log knows only whole ones. */
    (void)stream;
    return 0;
}

void perror(const char *prefix)
{
    fprintf(stderr, "%s: %s\n", prefix, strerror(errno));
}
