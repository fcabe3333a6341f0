/* SPDX-License-Identifier: MIT */
/*
 * Formatted text (C11 7.21, without floating point). stdout and stderr become lines of the
 * system's log; there are no other streams.
 */
#pragma once

#include <stdarg.h>
#include <stddef.h>
#include <sys/types.h>

#define EOF    (-1)
#define BUFSIZ 256

typedef struct file_stream FILE;

extern FILE *const stdout;
extern FILE *const stderr;

#define PRINTF_FORMAT(format_index, first) __attribute__((format(printf, format_index, first)))

int printf(const char *restrict format, ...) PRINTF_FORMAT(1, 2);
int fprintf(FILE *restrict stream, const char *restrict format, ...) PRINTF_FORMAT(2, 3);
int vprintf(const char *restrict format, va_list arguments) PRINTF_FORMAT(1, 0);
int vfprintf(FILE *restrict stream, const char *restrict format, va_list arguments)
    PRINTF_FORMAT(2, 0);
int snprintf(char *restrict text, size_t size, const char *restrict format, ...)
    PRINTF_FORMAT(3, 4);
int vsnprintf(char *restrict text, size_t size, const char *restrict format, va_list arguments)
    PRINTF_FORMAT(3, 0);

int puts(const char *text);
int putchar(int character);
int fputs(const char *restrict text, FILE *restrict stream);
int fputc(int character, FILE *stream);
int putc(int character, FILE *stream);
size_t fwrite(const void *restrict data, size_t bytes, size_t count, FILE *restrict stream);
int fflush(FILE *stream);
void perror(const char *prefix);
