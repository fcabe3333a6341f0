/* SPDX-License-Identifier: MIT */
/*
 * Text in a buffer of fixed size.
 */
#include "libc/core/output.h"

#include <stdint.h>
#include <string.h>

#include "libc/core/assert.h"

void output_start(struct output *output, char *text, size_t size)
{
    CORE_ASSERT(text != NULL || size == 0);
    *output = (struct output){.text = text, .size = size};
    if (size > 0) {
        text[0] = '\0';
    }
}

/* Count so many bytes more. Returns how many of them have room at *place, with the zero already
 * behind them. */
static size_t extend(struct output *output, size_t count, char **place)
{
    size_t start = output_fitting_bytes(output);

    CORE_ASSERT(count <= SIZE_MAX - output->length);
    output->length += count;
    size_t end = output_fitting_bytes(output);

    CORE_ASSERT(start <= end && (end < output->size || end == 0));
    if (end > start) {
        output->text[end] = '\0';
        *place = output->text + start;
    }
    return end - start;
}

void output_append(struct output *output, const void *bytes, size_t count)
{
    char *place;
    size_t fitting = extend(output, count, &place);

    if (fitting > 0) {
        memcpy(place, bytes, fitting);
    }
}

void output_append_string(struct output *output, const char *string)
{
    output_append(output, string, strlen(string));
}

void output_append_repeated(struct output *output, char character, size_t count)
{
    char *place;
    size_t fitting = extend(output, count, &place);

    if (fitting > 0) {
        memset(place, character, fitting);
    }
}

void output_replace_unprintable(struct output *output)
{
    for (size_t i = 0; i < output_fitting_bytes(output); i++) {
        if (output->text[i] < ' ' || output->text[i] > '~') {
            output->text[i] = '?';
        }
    }
}

bool output_is_cut(const struct output *output)
{
    return output->length >= output->size && output->length > 0;
}

size_t output_fitting_bytes(const struct output *output)
{
    if (output->length < output->size) {
        return output->length;
    }
    return output->size > 0 ? output->size - 1 : 0;
}
