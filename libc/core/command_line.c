/* SPDX-License-Identifier: MIT */
/*
 * The command line, read word by word in place. It comes from outside: any bytes, any order.
 */
#include "libc/core/command_line.h"

#include <errno.h>
#include <string.h>

#include "libc/core/numbers.h"

struct word {
    const char *text;
    size_t length_bytes;
};

static bool is_blank(char character)
{
    return character == ' ' || (character >= '\t' && character <= '\r');
}

/* The next word from *cursor, which moves behind it. False at the end and at `--`. */
static bool next_word(const char **cursor, struct word *word)
{
    while (is_blank(**cursor)) {
        (*cursor)++;
    }
    word->text = *cursor;
    while (**cursor != '\0' && !is_blank(**cursor)) {
        (*cursor)++;
    }
    word->length_bytes = (size_t)(*cursor - word->text);
    return word->length_bytes != 0 &&
           !(word->length_bytes == 2 && memcmp(word->text, "--", 2) == 0);
}

/* The word up to its `=`, or all of it. */
static size_t key_length(const struct word *word)
{
    const char *equals = memchr(word->text, '=', word->length_bytes);

    return equals != NULL ? (size_t)(equals - word->text) : word->length_bytes;
}

static bool has_key(const struct word *word, const char *key)
{
    size_t length = key_length(word);

    return strlen(key) == length && memcmp(word->text, key, length) == 0;
}

int command_line_next(const char **cursor, const char *key, const char **value)
{
    struct word word;

    while (next_word(cursor, &word)) {
        size_t value_offset = key_length(&word) + 1;

        if (has_key(&word, key) && value_offset <= word.length_bytes) {
            *value = word.text + value_offset;
            return (int)(word.length_bytes - value_offset);
        }
    }
    return -ENOENT;
}

int command_line_find(const char *line, const char *key, const char **value)
{
    int length = -ENOENT;
    int next_length;

    while ((next_length = command_line_next(&line, key, value)) >= 0) {
        length = next_length;
    }
    return length;
}

int command_line_number(const char *line, const char *key, uint64_t most, uint64_t *value)
{
    const char *text;
    int length = command_line_find(line, key, &text);

    if (length < 0) {
        return length;
    }
    uint64_t number;

    if (number_parse(text, (size_t)length, 10, most, &number) != 0) {
        return -EINVAL;
    }
    *value = number;
    return 0;
}

int command_line_copy(const char *line, const char *key, char *text, size_t size)
{
    const char *value;
    int length = command_line_find(line, key, &value);

    if (length < 0) {
        return length;
    }
    if ((size_t)length >= size) {
        return -ENAMETOOLONG;
    }
    memcpy(text, value, (size_t)length);
    text[length] = '\0';
    return length;
}

static bool is_known(const struct word *word, const char *const *known)
{
    for (; *known != NULL; known++) {
        if (has_key(word, *known)) {
            /* A key alone has no value to find: as good as unknown. */
            return key_length(word) < word->length_bytes;
        }
    }
    return false;
}

int command_line_next_unknown(const char **cursor, const char *const *known, const char **text)
{
    struct word word;

    while (next_word(cursor, &word)) {
        if (!is_known(&word, known)) {
            *text = word.text;
            return (int)word.length_bytes;
        }
    }
    return -ENOENT;
}
