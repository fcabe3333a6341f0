/* SPDX-License-Identifier: MIT */
/*
 * Binary search in the table of functions.
 */
#include "libc/core/symbols.h"

#include <stddef.h>

const struct symbol *symbol_find(const struct symbol *table, uint32_t count, uint32_t offset)
{
    if (count == 0 || offset < table[0].offset) {
        return NULL;
    }
    uint32_t low = 0;
    uint32_t high = count;

    /* table[low] is at or below the offset, table[high] above. */
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;

        if (table[middle].offset <= offset) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return &table[low];
}
