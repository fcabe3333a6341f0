/* SPDX-License-Identifier: MIT */
/*
 * Tables of distinct values of one size: each value has a number, the first that comes 0. What is
 * kept once is compared by its number. Nothing is ever forgotten.
 */
#pragma once

#include "kernel/base.h"

struct intern {
    size_t bytes; /* of a value; set before the first use, all else zero */
    uint32_t count;
    uint8_t **pieces; /* of the values, so that they do not move */
    uint32_t *slots;  /* number + 1; 0: free */
    uint32_t *hashes; /* of each value */
    uint32_t slot_count, value_room;
};

/* Its number. Ends the program when there is no memory. */
uint32_t intern(struct intern *table, const void *value);
/* The same; says whether it was there already. */
uint32_t intern_new(struct intern *table, const void *value, bool *is_new);
const void *interned(const struct intern *table, uint32_t number);
/* Forget all. */
void intern_clear(struct intern *table);
