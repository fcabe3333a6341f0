/* SPDX-License-Identifier: MIT */
/*
 * Memory and strings. The compiler calls memcpy(), memmove(), memset() and memcmp() by itself.
 *
 * Up to BULK_BYTES are moved in general registers (a thread switch saves no vector registers),
 * with a last word or group of words that overlaps the one before it instead of a loop over what is
 * left. Above, the processor's string instructions move whole words: where they are microcoded they
 * are the fastest way to move many bytes, and an emulator takes one step for eight of them.
 *
 * memcpy() and memcmp() are not inlined, nor then split: for more than a few bytes the second half
 * would be a call away.
 */
#include <string.h>

#include <stdbool.h>
#include <stdint.h>

#include "libc/core/assert.h"
#include "libc/core/bytes.h"

/* Below this a string instruction's start-up, tens of cycles, costs more than the loop. Chosen. */
#define BULK_BYTES 256

#define WORD_BYTES       sizeof(uint64_t)
#define GROUP_BYTES      (4 * WORD_BYTES)
#define EACH_BYTE(value) ((uint64_t)(value)*0x0101010101010101ull)

/* At most this. Everything is loaded before anything is stored: the ranges may overlap. */
#define SHORT_MAX_BYTES GROUP_BYTES

static inline void move_short(uint8_t *to, const uint8_t *from, size_t bytes)
{
    CORE_ASSERT_SLOW(bytes <= SHORT_MAX_BYTES);
    if (bytes >= 2 * WORD_BYTES) {
        uint64_t first = load_le64(from);
        uint64_t second = load_le64(from + WORD_BYTES);
        uint64_t third = load_le64(from + bytes - 2 * WORD_BYTES);
        uint64_t fourth = load_le64(from + bytes - WORD_BYTES);
        store_le64(to, first);
        store_le64(to + WORD_BYTES, second);
        store_le64(to + bytes - 2 * WORD_BYTES, third);
        store_le64(to + bytes - WORD_BYTES, fourth);
    } else if (bytes >= WORD_BYTES) {
        uint64_t first = load_le64(from);
        uint64_t last = load_le64(from + bytes - WORD_BYTES);
        store_le64(to, first);
        store_le64(to + bytes - WORD_BYTES, last);
    } else if (bytes >= sizeof(uint32_t)) {
        uint32_t first = load_le32(from);
        uint32_t last = load_le32(from + bytes - sizeof(uint32_t));
        store_le32(to, first);
        store_le32(to + bytes - sizeof(uint32_t), last);
    } else if (bytes > 0) {
        uint8_t first = from[0];
        uint8_t middle = from[bytes / 2];
        uint8_t last = from[bytes - 1];
        to[0] = first;
        to[bytes / 2] = middle;
        to[bytes - 1] = last;
    }
}

/* Four words, loaded before any is stored: `to` may lie less than that below `from`. */
static inline void move_group(uint8_t *to, const uint8_t *from)
{
    uint64_t first = load_le64(from);
    uint64_t second = load_le64(from + WORD_BYTES);
    uint64_t third = load_le64(from + 2 * WORD_BYTES);
    uint64_t fourth = load_le64(from + 3 * WORD_BYTES);

    store_le64(to, first);
    store_le64(to + WORD_BYTES, second);
    store_le64(to + 2 * WORD_BYTES, third);
    store_le64(to + 3 * WORD_BYTES, fourth);
}

/* More than SHORT_MAX_BYTES, between ranges that are disjoint or the same. The last group may
 * overlap the one before it; it goes first, so that nothing has to be kept for it. One index, which
 * ends at zero, counts for both. */
static inline void move_disjoint(uint8_t *to, const uint8_t *from, size_t bytes)
{
    size_t last = bytes - GROUP_BYTES;
    ptrdiff_t at = -(ptrdiff_t)last;

    CORE_ASSERT_SLOW(bytes > SHORT_MAX_BYTES);
    to += last;
    from += last;
    move_group(to, from);
    do {
        move_group(to + at, from + at);
        at += (ptrdiff_t)GROUP_BYTES;
    } while (at < 0);
}

/* More than SHORT_MAX_BYTES, from the start to the end: `to` may lie below `from`, even
 * overlapping. */
static inline void move_forwards(uint8_t *to, const uint8_t *from, size_t bytes)
{
    CORE_ASSERT_SLOW(bytes > SHORT_MAX_BYTES);
    CORE_ASSERT_SLOW(to == from || (uintptr_t)to - (uintptr_t)from >= bytes);
    /* Loaded first: an overlapping move may change it before its turn comes. */
    uint64_t last = load_le64(from + bytes - WORD_BYTES);
    uint8_t *last_to = to + bytes - WORD_BYTES;

    if (bytes >= BULK_BYTES) {
        size_t words = (bytes - 1) / WORD_BYTES;
        __asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(words) : : "memory");
    } else {
        for (; (size_t)(last_to - to) >= GROUP_BYTES; to += GROUP_BYTES) {
            move_group(to, from);
            from += GROUP_BYTES;
        }
        for (; to < last_to; to += WORD_BYTES) {
            store_le64(to, load_le64(from));
            from += WORD_BYTES;
        }
    }
    store_le64(last_to, last);
}

/* More than SHORT_MAX_BYTES, from the end to the start: `to` lies above `from` and overlaps it. */
static void move_backwards(uint8_t *to, const uint8_t *from, size_t bytes)
{
    CORE_ASSERT_SLOW(bytes > SHORT_MAX_BYTES && to >= from);
    uint64_t first = load_le64(from);

    while (bytes > WORD_BYTES) {
        bytes -= WORD_BYTES;
        store_le64(to + bytes, load_le64(from + bytes));
    }
    store_le64(to, first);
}

__attribute__((noinline)) void *memcpy(void *restrict to, const void *restrict from, size_t bytes)
{
    /* Disjoint; or the same, which the compiler makes of the assignment of a struct to itself. */
    CORE_ASSERT_SLOW(to == from || ((uintptr_t)to - (uintptr_t)from >= bytes &&
                                    (uintptr_t)from - (uintptr_t)to >= bytes));
    if (bytes <= SHORT_MAX_BYTES) {
        move_short(to, from, bytes);
    } else if (bytes < BULK_BYTES) {
        move_disjoint(to, from, bytes);
    } else {
        move_forwards(to, from, bytes);
    }
    return to;
}

void *memmove(void *to, const void *from, size_t bytes)
{
    if (bytes <= SHORT_MAX_BYTES) {
        move_short(to, from, bytes);
    } else if ((uintptr_t)to - (uintptr_t)from >= bytes) {
        move_forwards(to, from, bytes);
    } else {
        move_backwards(to, from, bytes);
    }
    return to;
}

void *memset(void *memory, int value, size_t bytes)
{
    uint8_t *to = memory;
    uint64_t word = EACH_BYTE((uint8_t)value);

    if (bytes < WORD_BYTES) {
        if (bytes >= sizeof(uint32_t)) {
            store_le32(to, (uint32_t)word);
            store_le32(to + bytes - sizeof(uint32_t), (uint32_t)word);
        } else if (bytes > 0) {
            to[0] = (uint8_t)word;
            to[bytes / 2] = (uint8_t)word;
            to[bytes - 1] = (uint8_t)word;
        }
        return memory;
    }
    uint8_t *last_to = to + bytes - WORD_BYTES;
    if (bytes >= BULK_BYTES) {
        size_t words = bytes / WORD_BYTES;
        __asm__ volatile("rep stosq" : "+D"(to), "+c"(words) : "a"(word) : "memory");
    } else {
        for (; (size_t)(last_to - to) >= 4 * WORD_BYTES; to += 4 * WORD_BYTES) {
            store_le64(to, word);
            store_le64(to + WORD_BYTES, word);
            store_le64(to + 2 * WORD_BYTES, word);
            store_le64(to + 3 * WORD_BYTES, word);
        }
        for (; to < last_to; to += WORD_BYTES) {
            store_le64(to, word);
        }
    }
    store_le64(last_to, word);
    return memory;
}

/* The first byte that differs is the most significant one that does. */
static int compare_words(uint64_t left, uint64_t right)
{
    left = swap64(left);
    right = swap64(right);
    return left < right ? -1 : left > right;
}

static int compare_short(const uint8_t *left, const uint8_t *right, size_t bytes)
{
    CORE_ASSERT_SLOW(bytes < WORD_BYTES);
    if (bytes >= sizeof(uint32_t)) {
        size_t last = bytes - sizeof(uint32_t);
        uint64_t left_word = (uint64_t)load_le32(left + last) << 8 * last | load_le32(left);
        uint64_t right_word = (uint64_t)load_le32(right + last) << 8 * last | load_le32(right);
        return compare_words(left_word, right_word);
    }
    for (size_t i = 0; i < bytes; i++) {
        if (left[i] != right[i]) {
            return left[i] - right[i];
        }
    }
    return 0;
}

/* At least a word of each, which may be the same. */
static __attribute__((noinline)) int compare_long(const uint8_t *left, const uint8_t *right,
                                                  size_t bytes)
{
    const uint8_t *last = left + bytes - WORD_BYTES;

    for (; left < last; left += WORD_BYTES) {
        if (load_le64(left) != load_le64(right)) {
            return compare_words(load_le64(left), load_le64(right));
        }
        right += WORD_BYTES;
    }
    /* The last word, part of which may have been found equal already. */
    right -= left - last;
    return compare_words(load_le64(last), load_le64(right));
}

static inline bool is_group_equal(const uint8_t *left, const uint8_t *right)
{
    return load_le64(left) == load_le64(right) &&
           load_le64(left + WORD_BYTES) == load_le64(right + WORD_BYTES) &&
           load_le64(left + 2 * WORD_BYTES) == load_le64(right + 2 * WORD_BYTES) &&
           load_le64(left + 3 * WORD_BYTES) == load_le64(right + 3 * WORD_BYTES);
}

__attribute__((noinline)) int memcmp(const void *left_memory, const void *right_memory,
                                     size_t bytes)
{
    const uint8_t *left = left_memory;
    const uint8_t *right = right_memory;

    if (bytes < WORD_BYTES) {
        return compare_short(left, right, bytes);
    }
    if (bytes <= GROUP_BYTES) {
        return compare_long(left, right, bytes);
    }
    size_t last = bytes - GROUP_BYTES;
    ptrdiff_t at = -(ptrdiff_t)last;

    left += last;
    right += last;
    /* The last group first: part of it may be looked at again. */
    if (!is_group_equal(left, right)) {
        return compare_long(left_memory, right_memory, bytes);
    }
    do {
        if (!is_group_equal(left + at, right + at)) {
            return compare_long(left_memory, right_memory, bytes);
        }
        at += (ptrdiff_t)GROUP_BYTES;
    } while (at < 0);
    return 0;
}

void *memchr(const void *memory, int value, size_t bytes)
{
    const uint8_t *at = memory;
    uint64_t wanted = EACH_BYTE((uint8_t)value);

    for (; bytes >= WORD_BYTES; bytes -= WORD_BYTES) {
        uint64_t word = load_le64(at) ^ wanted;
        uint64_t zero_bytes = (word - EACH_BYTE(1)) & ~word & EACH_BYTE(0x80);
        if (zero_bytes != 0) {
            return (void *)(uintptr_t)(at + __builtin_ctzll(zero_bytes) / 8);
        }
        at += WORD_BYTES;
    }
    for (size_t i = 0; i < bytes; i++) {
        if (at[i] == (uint8_t)value) {
            return (void *)(uintptr_t)(at + i);
        }
    }
    return NULL;
}

void *memrchr(const void *memory, int value, size_t bytes)
{
    const uint8_t *at = memory;

    while (bytes > 0) {
        bytes--;
        if (at[bytes] == (uint8_t)value) {
            return (void *)(uintptr_t)(at + bytes);
        }
    }
    return NULL;
}

void *memmem(const void *memory, size_t bytes, const void *wanted, size_t wanted_bytes)
{
    const uint8_t *at = memory;

    if (wanted_bytes == 0) {
        return (void *)(uintptr_t)memory;
    }
    while (bytes >= wanted_bytes) {
        const uint8_t *found = memchr(at, *(const uint8_t *)wanted, bytes - wanted_bytes + 1);
        if (found == NULL) {
            return NULL;
        }
        if (memcmp(found, wanted, wanted_bytes) == 0) {
            return (void *)(uintptr_t)found;
        }
        bytes -= (size_t)(found + 1 - at);
        at = found + 1;
    }
    return NULL;
}

size_t strlen(const char *text)
{
    const char *end = text;

    while (*end != '\0') {
        end++;
    }
    return (size_t)(end - text);
}

size_t strnlen(const char *text, size_t limit)
{
    size_t length = 0;

    while (length < limit && text[length] != '\0') {
        length++;
    }
    return length;
}

int strncmp(const char *left, const char *right, size_t limit)
{
    for (size_t i = 0; i < limit; i++) {
        if (left[i] != right[i]) {
            return (uint8_t)left[i] - (uint8_t)right[i];
        }
        if (left[i] == '\0') {
            break;
        }
    }
    return 0;
}

int strcmp(const char *left, const char *right)
{
    return strncmp(left, right, SIZE_MAX);
}

char *strchr(const char *text, int character)
{
    for (;; text++) {
        if (*text == (char)character) {
            return (char *)(uintptr_t)text;
        }
        if (*text == '\0') {
            return NULL;
        }
    }
}

char *strrchr(const char *text, int character)
{
    return memrchr(text, character, strlen(text) + 1);
}

char *strstr(const char *text, const char *wanted)
{
    return memmem(text, strlen(text), wanted, strlen(wanted));
}

/* How many characters at the start of `text` stand in `set`, or stand not in it. */
static size_t span(const char *text, const char *set, bool are_in_set)
{
    size_t length = 0;

    while (text[length] != '\0' && (strchr(set, text[length]) != NULL) == are_in_set) {
        length++;
    }
    return length;
}

size_t strspn(const char *text, const char *accepted)
{
    return span(text, accepted, true);
}

size_t strcspn(const char *text, const char *refused)
{
    return span(text, refused, false);
}

char *strpbrk(const char *text, const char *accepted)
{
    text += span(text, accepted, false);
    return *text != '\0' ? (char *)(uintptr_t)text : NULL;
}

char *strtok_r(char *restrict text, const char *restrict separators, char **restrict rest)
{
    char *token = text != NULL ? text : *rest;

    token += strspn(token, separators);
    if (*token == '\0') {
        *rest = token;
        return NULL;
    }
    char *end = token + strcspn(token, separators);
    if (*end != '\0') {
        *end = '\0';
        end++;
    }
    *rest = end;
    return token;
}

char *strcpy(char *restrict to, const char *restrict from)
{
    return memcpy(to, from, strlen(from) + 1);
}

char *strncpy(char *restrict to, const char *restrict from, size_t limit)
{
    size_t length = strnlen(from, limit);

    memcpy(to, from, length);
    memset(to + length, 0, limit - length);
    return to;
}

char *strcat(char *restrict to, const char *restrict from)
{
    strcpy(to + strlen(to), from);
    return to;
}
