/* SPDX-License-Identifier: MIT */
/*
 * Text of any length, put together piece by piece.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct text {
    char *at; /* from malloc(), NULL while empty */
    size_t bytes;
    size_t capacity_bytes;
    bool has_failed; /* no memory: nothing more is added */
};

void text_add(struct text *text, const void *bytes, size_t count);
__attribute__((format(printf, 2, 3))) void text_print(struct text *text, const char *format, ...);
/* With & < > and quotes as HTML writes them. */
void text_add_escaped(struct text *text, const char *bytes, size_t count);
/* A decoded path as a request's target has it: slashes stay. */
void text_add_encoded(struct text *text, const char *path, size_t bytes);
/* All that is left of an open file. False when there is none of this name. */
bool text_add_file(struct text *text, const char *path, bool is_escaped);
void text_release(struct text *text);
