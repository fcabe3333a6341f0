/* SPDX-License-Identifier: MIT */
/*
 * A table of places. A request has one; a later one of the same place replaces the earlier.
 */
#include "apps/httpd/known.h"

#include <string.h>

#include "apps/httpd/check.h"
#include "libc/core/ablation.h"
#include "libc/core/bytes.h"

#define PLACE_BITS 5

/* Where the target begins, of which sixteen bytes choose the place. Shorter heads are not kept. */
#define TARGET_OFFSET  4
#define HEAD_MIN_BYTES (TARGET_OFFSET + 2 * sizeof(uint64_t))

static struct known places[1 << PLACE_BITS];

/* A multiplication by an odd constant (the golden ratio's fraction) mixes each word into the high
 * bits. */
static struct known *place_of(const char *head, size_t bytes)
{
    const uint64_t factor = 0x9E3779B97F4A7C15ull;
    uint64_t hash = load_le64(head + TARGET_OFFSET) * factor;

    hash = (hash ^ load_le64(head + TARGET_OFFSET + sizeof(uint64_t)) ^ bytes) * factor;
    return &places[hash >> (64 - PLACE_BITS)];
}

/* Eight bytes a step, and none of them is left out early: they nearly always agree. The last step
 * looks at some of the bytes before it again. */
static bool is_same(const char *one, const char *other, size_t bytes)
{
    size_t last = bytes - sizeof(uint64_t);
    uint64_t difference = load_le64(one + last) ^ load_le64(other + last);

#pragma GCC unroll 4
    for (size_t i = 0; i < last; i += sizeof(uint64_t)) {
        difference |= load_le64(one + i) ^ load_le64(other + i);
    }
    return difference == 0;
}

const struct known *known_find(const char *head, size_t bytes)
{
    if (WITHOUT(KNOWN_REQUESTS) || bytes < HEAD_MIN_BYTES) {
        return NULL;
    }
    const struct known *known = place_of(head, bytes);
    return known->head_bytes == bytes && is_same(known->head, head, bytes) ? known : NULL;
}

void known_remember(const char *head, size_t bytes, struct resource *file,
                    enum persistence persistence)
{
    check(file->kind == RESOURCE_FILE && memcmp(head, "GET ", TARGET_OFFSET) == 0);
    if (WITHOUT(KNOWN_REQUESTS) || bytes < HEAD_MIN_BYTES || bytes > KNOWN_HEAD_MAX_BYTES) {
        return;
    }
    struct known *known = place_of(head, bytes);
    known->file = file;
    known->head_bytes = (uint32_t)bytes;
    known->persistence = persistence;
    memcpy(known->head, head, bytes);
}
