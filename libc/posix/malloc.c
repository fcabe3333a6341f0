/* SPDX-License-Identifier: MIT */
/*
 * malloc() and its kin on the node's allocator; of large blocks, which are sent without a copy
 * where that can be, on libc/core/snapshot.h.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "libc/core/memory.h"
#include "libc/core/snapshot.h"

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

/* A large one; NULL: it is the node's allocator's. */
static void *allocate_block(size_t bytes)
{
    if (LIKELY(bytes < SNAPSHOT_BLOCK_LEAST_BYTES) || memory_is_refused(&malloc_kind)) {
        return NULL;
    }
    void *block = snapshot_allocate(bytes);

    if (block != NULL) {
        memory_count_taken(&malloc_kind, block, snapshot_block_bytes(block));
    }
    return block;
}

/* A quick look first: few of the others begin with a page. */
static inline bool is_block(const void *block)
{
    return UNLIKELY((uintptr_t)block % MEMORY_PAGE_BYTES == 0) && snapshot_is_block(block);
}

static __attribute__((noinline)) void free_block(void *block)
{
    memory_count_released(&malloc_kind, snapshot_block_bytes(block));
    snapshot_free(block);
}

void *malloc(size_t bytes)
{
    void *block = allocate_block(bytes);

    return block != NULL ? block : or_errno(memory_allocate(&malloc_kind, at_least_one(bytes)));
}

void *calloc(size_t count, size_t bytes)
{
    size_t total;

    if (__builtin_mul_overflow(count, bytes, &total)) {
        return or_errno(NULL);
    }
    void *block = allocate_block(total);

    return block != NULL ? memset(block, 0, total)
                         : or_errno(memory_allocate_zeroed(&malloc_kind, at_least_one(total)));
}

/* One of the two is large: the node's allocator cannot do it in place. */
static __attribute__((noinline)) void *move(void *block, size_t old_bytes, size_t bytes)
{
    void *moved = malloc(bytes);

    if (moved != NULL) {
        memcpy(moved, block, old_bytes < bytes ? old_bytes : bytes);
        free(block);
    }
    return moved;
}

void *realloc(void *block, size_t bytes)
{
    if (block == NULL) {
        return malloc(bytes);
    }
    if (is_block(block)) {
        size_t old_bytes = snapshot_block_bytes(block);

        return bytes <= old_bytes && bytes > old_bytes / 2 ? block : move(block, old_bytes, bytes);
    }
    return or_errno(memory_resize(&malloc_kind, block, at_least_one(bytes)));
}

void free(void *block)
{
    if (is_block(block)) {
        free_block(block);
        return;
    }
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
