/* SPDX-License-Identifier: MIT */
/*
 * Sorting and searching, chance, and what a program asks of its surroundings.
 */
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernel/limits.h"
#include "kernel/platform.h"
#include "libc/posix/descriptor.h"

int abs(int value)
{
    return value < 0 ? -value : value;
}

long labs(long value)
{
    return value < 0 ? -value : value;
}

long long llabs(long long value)
{
    return value < 0 ? -value : value;
}

/* --- Sorting and searching --- */

static void swap_bytes(uint8_t *left, uint8_t *right, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        uint8_t byte = left[i];
        left[i] = right[i];
        right[i] = byte;
    }
}

/* Let the element at `parent` sink in the heap of `count` elements. */
static void sift_down(uint8_t *base, size_t parent, size_t count, size_t bytes,
                      int (*compare)(const void *, const void *))
{
    for (;;) {
        size_t child = 2 * parent + 1;
        if (child >= count) {
            return;
        }
        if (child + 1 < count && compare(base + child * bytes, base + (child + 1) * bytes) < 0) {
            child++;
        }
        if (compare(base + parent * bytes, base + child * bytes) >= 0) {
            return;
        }
        swap_bytes(base + parent * bytes, base + child * bytes, bytes);
        parent = child;
    }
}

/* Heap sort: no input makes it slow or deep. */
void qsort(void *memory, size_t count, size_t bytes, int (*compare)(const void *, const void *))
{
    uint8_t *base = memory;

    for (size_t parent = count / 2; parent-- > 0;) {
        sift_down(base, parent, count, bytes, compare);
    }
    for (size_t last = count; last-- > 1;) {
        swap_bytes(base, base + last * bytes, bytes);
        sift_down(base, 0, last, bytes, compare);
    }
}

void *bsearch(const void *key, const void *memory, size_t count, size_t bytes,
              int (*compare)(const void *, const void *))
{
    const uint8_t *base = memory;

    while (count > 0) {
        const uint8_t *middle = base + count / 2 * bytes;
        int order = compare(key, middle);
        if (order == 0) {
            return (void *)(uintptr_t)middle;
        }
        if (order > 0) {
            base = middle + bytes;
            count -= count / 2 + 1;
        } else {
            count /= 2;
        }
    }
    return NULL;
}

/* --- Pseudo-random numbers: xorshift (Marsaglia, 2003); not for secrets --- */

static uint32_t random_state = 1;

void srand(unsigned seed)
{
    random_state = seed != 0 ? seed : 1;
}

int rand(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    random_state ^= random_state << 5;
    return (int)(random_state & RAND_MAX);
}

/* --- Surroundings --- */

char *getenv(const char *name)
{
    (void)name;
    return NULL;
}

long sysconf(int name)
{
    switch (name) {
    case _SC_PAGESIZE:
        return (long)PAGE_BYTES;
    case _SC_OPEN_MAX:
        return descriptor_limit();
    default:
        return call_result(-EINVAL);
    }
}

pid_t getpid(void)
{
    return platform_node() + 1; /* a node runs one program; 0 would be no process */
}

void abort(void)
{
    PANIC("the program called abort()");
}

void assertion_failed(const char *condition, const char *file, int line)
{
    platform_panic(file, line, "assertion failed: %s", condition);
}
