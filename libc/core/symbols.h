/* SPDX-License-Identifier: MIT */
/*
 * A table of the functions of a program, sorted by address, for backtraces.
 */
#pragma once

#include <stdint.h>

struct symbol {
    uint32_t offset;      /* of its first byte, behind the start of the text */
    uint32_t name_offset; /* behind the start of the names */
};

/* The last symbol that begins at or before `offset`; NULL where that is before the first. */
const struct symbol *symbol_find(const struct symbol *table, uint32_t count, uint32_t offset);
