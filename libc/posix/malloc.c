/* SPDX-License-Identifier: MIT */
/*
 * malloc() and its kin on the node's allocator.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "libc/core/memory.h"

MEMORY_KIND(malloc_kind, "malloc");

/* A block of no bytes has an address of its own too, so that NULL always means failure. */
static size_t at_least_one(size_t bytes)
{
    return bytes != 0 ? bytes : 1;
}

static void *or_errno(void *block)
{
    if (block == NULL) {
        errno = ENOMEM;
    }
    return block;
}

void *malloc(size_t bytes)
{
    return or_errno(memory_allocate(&malloc_kind, at_least_one(bytes)));
}

void *calloc(size_t count, size_t bytes)
{
    size_t total;

    if (__builtin_mul_overflow(count, bytes, &total)) {
        return or_errno(NULL);
    }
    return or_errno(memory_allocate_zeroed(&malloc_kind, at_least_one(total)));
}

void *realloc(void *block, size_t bytes)
{
    if (block == NULL) {
        return malloc(bytes);
    }
    return or_errno(memory_resize(&malloc_kind, block, at_least_one(bytes)));
}

void free(void *block)
{
    memory_release(&malloc_kind, block);
}

char *strndup(const char *text, size_t limit)
{
    size_t length = strnlen(text, limit);
    char *copy = malloc(length + 1);

    if (copy != NULL) {
        memcpy(copy, text, length);
        copy[length] = '\0';
    }
    return copy;
}

char *strdup(const char *text)
{
    return strndup(text, SIZE_MAX);
}
