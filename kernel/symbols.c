/* SPDX-License-Identifier: MIT */
/*
 * Binary search in the table of functions, which is sorted by address.
 */
#include "kernel/symbols.h"

struct symbol {
    uint32_t offset;      /* behind text_start */
    uint32_t name_offset; /* behind symbol_names */
};

/* From the linker script, and from boot/symbols.awk. */
extern const char text_start[];
extern const char text_end[];
extern const uint32_t symbol_count;
extern const struct symbol symbol_table[];
extern const char symbol_names[];

const char *symbol_find(uintptr_t vaddr, uintptr_t *offset)
{
    uintptr_t start = (uintptr_t)text_start;

    if (vaddr < start || vaddr >= (uintptr_t)text_end || symbol_count == 0 ||
        vaddr - start < symbol_table[0].offset) {
        return NULL;
    }
    uint32_t low = 0;
    uint32_t high = symbol_count;

    /* symbol_table[low] is at or below the address, symbol_table[high] above. */
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;

        if (symbol_table[middle].offset <= vaddr - start) {
            low = middle;
        } else {
            high = middle;
        }
    }
    *offset = vaddr - start - symbol_table[low].offset;
    return &symbol_names[symbol_table[low].name_offset];
}
