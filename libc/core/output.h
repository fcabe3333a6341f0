/* SPDX-License-Identifier: MIT */
/*
 * Text that is put together piece by piece in a buffer of fixed size. It ends in a zero after each
 * piece; what does not fit is cut, and counted. format_append() (libc/core/format.h) adds
 * formatted text.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct output {
    char *text;    /* NULL only if size is 0 */
    size_t size;   /* of the buffer, its zero included */
    size_t length; /* of all pieces; from `size` on the text is cut */
};

/* Begin with an empty text. */
void output_start(struct output *output, char *text, size_t size);

void output_append(struct output *output, const void *bytes, size_t count);
/* A whole string, without its zero. */
void output_append_string(struct output *output, const char *string);
void output_append_repeated(struct output *output, char character, size_t count);

/* What is not printable ASCII becomes `?`: text may quote what came from outside. */
void output_replace_unprintable(struct output *output);
bool output_is_cut(const struct output *output);
/* How many bytes stand in the buffer before the zero. */
size_t output_fitting_bytes(const struct output *output);
