/* SPDX-License-Identifier: MIT */
/*
 * A bounded list of address ranges, each with its owner. Ranges may overlap; all arithmetic holds
 * up to the last address.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define RANGES_MAX 96

struct owned_range {
    uint64_t start;
    uint64_t bytes;
    uint32_t owner; /* a word of whoever adds it */
};

struct ranges {
    unsigned count;
    struct owned_range list[RANGES_MAX];
};

/* The first range in which all of these bytes lie, or NULL. */
static inline const struct owned_range *ranges_find(const struct ranges *ranges, uint64_t start,
                                                    uint64_t bytes)
{
    for (unsigned i = 0; i < ranges->count; i++) {
        const struct owned_range *range = &ranges->list[i];

        if (start >= range->start && bytes <= range->bytes &&
            start - range->start <= range->bytes - bytes) {
            return range;
        }
    }
    return NULL;
}

/* What is there already with that owner takes no room; what finds none is not added. */
static inline void ranges_add(struct ranges *ranges, uint64_t start, uint64_t bytes, uint32_t owner)
{
    const struct owned_range *known = ranges_find(ranges, start, bytes);

    if ((known == NULL || known->owner != owner) && ranges->count < RANGES_MAX) {
        ranges->list[ranges->count++] = (struct owned_range){start, bytes, owner};
    }
}
