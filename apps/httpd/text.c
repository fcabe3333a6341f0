/* SPDX-License-Identifier: MIT */
/*
 * Growing text.
 */
#include "apps/httpd/text.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apps/httpd/check.h"

#define START_BYTES 1024

/* Make room for so many bytes more and a zero. */
static bool reserve(struct text *text, size_t count)
{
    size_t capacity = text->capacity_bytes != 0 ? text->capacity_bytes : START_BYTES;

    /* A byte is left for the zero. */
    assert(text->bytes < capacity && (text->at != NULL || text->bytes == 0));
    while (capacity - text->bytes <= count) {
        capacity *= 2;
    }
    if (capacity != text->capacity_bytes && !text->has_failed) {
        char *grown = realloc(text->at, capacity);
        if (grown == NULL) {
            text->has_failed = true;
        } else {
            text->at = grown;
            text->capacity_bytes = capacity;
        }
    }
    return !text->has_failed;
}

void text_add(struct text *text, const void *bytes, size_t count)
{
    if (reserve(text, count)) {
        memcpy(text->at + text->bytes, bytes, count);
        text->bytes += count;
        text->at[text->bytes] = '\0';
    }
}

void text_print(struct text *text, const char *format, ...)
{
    char few[512];
    va_list arguments;

    va_start(arguments, format);
    int length = vsnprintf(few, sizeof(few), format, arguments);
    va_end(arguments);
    assert(length >= 0);
    if ((size_t)length < sizeof(few)) {
        text_add(text, few, (size_t)length);
    } else if (reserve(text, (size_t)length)) {
        va_start(arguments, format);
        vsnprintf(text->at + text->bytes, (size_t)length + 1, format, arguments);
        va_end(arguments);
        text->bytes += (size_t)length;
    }
}

void text_add_escaped(struct text *text, const char *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        switch (bytes[i]) {
        case '&':
            text_add(text, "&amp;", 5);
            break;
        case '<':
            text_add(text, "&lt;", 4);
            break;
        case '>':
            text_add(text, "&gt;", 4);
            break;
        case '"':
            text_add(text, "&quot;", 6);
            break;
        default:
            text_add(text, &bytes[i], 1);
            break;
        }
    }
}

void text_add_encoded(struct text *text, const char *path, size_t bytes)
{
    for (const char *at = path; at < path + bytes; at++) {
        unsigned char byte = (unsigned char)*at;
        if (byte <= ' ' || byte >= 127 || strchr("\"#%<>?\\^`{|}", byte) != NULL) {
            text_print(text, "%%%02X", byte);
        } else {
            text_add(text, at, 1);
        }
    }
}

bool text_add_file(struct text *text, const char *path, bool is_escaped)
{
    char part[1024];
    ssize_t bytes;
    int fd = open(path, O_RDONLY);

    if (fd < 0) {
        return false;
    }
    while ((bytes = read(fd, part, sizeof(part))) > 0) {
        if (is_escaped) {
            text_add_escaped(text, part, (size_t)bytes);
        } else {
            text_add(text, part, (size_t)bytes);
        }
    }
    close(fd);
    return true;
}

void text_release(struct text *text)
{
    free(text->at);
    *text = (struct text){0};
}
