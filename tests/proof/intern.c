/* SPDX-License-Identifier: MIT */
/*
 * A hash with open addressing over values in pieces.
 */
#include "tests/proof/intern.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PIECE_VALUES 4096u
#define FIRST_SLOTS  4096u

static void *resize(void *memory, size_t bytes)
{
    void *larger = realloc(memory, bytes);

    if (larger == NULL) {
        fprintf(stderr, "no memory for so many states\n");
        exit(2);
    }
    return larger;
}

static uint32_t hash_of(const uint8_t *bytes, size_t length)
{
    uint64_t hash = length;
    uint64_t word;

    for (; length >= sizeof(word); bytes += sizeof(word), length -= sizeof(word)) {
        memcpy(&word, bytes, sizeof(word));
        hash = (hash ^ word) * 0x9E3779B97F4A7C15u;
        hash ^= hash >> 29;
    }
    if (length != 0) {
        word = 0;
        memcpy(&word, bytes, length);
        hash = (hash ^ word) * 0x9E3779B97F4A7C15u;
    }
    return (uint32_t)(hash ^ hash >> 32);
}

const void *interned(const struct intern *table, uint32_t number)
{
    return table->pieces[number / PIECE_VALUES] + (size_t)(number % PIECE_VALUES) * table->bytes;
}

static void place(struct intern *table, uint32_t number)
{
    uint32_t slot = table->hashes[number] & (table->slot_count - 1);

    while (table->slots[slot] != 0) {
        slot = (slot + 1) & (table->slot_count - 1);
    }
    table->slots[slot] = number + 1;
}

static void grow_slots(struct intern *table)
{
    table->slot_count = table->slot_count == 0 ? FIRST_SLOTS : 2 * table->slot_count;
    free(table->slots);
    table->slots = resize(NULL, table->slot_count * sizeof(*table->slots));
    memset(table->slots, 0, table->slot_count * sizeof(*table->slots));
    for (uint32_t number = 0; number < table->count; number++) {
        place(table, number);
    }
}

static void add(struct intern *table, const void *value, uint32_t hash)
{
    uint32_t piece = table->count / PIECE_VALUES;

    if (table->count == table->value_room) {
        table->value_room += PIECE_VALUES;
        table->pieces = resize(table->pieces, (piece + 1) * sizeof(*table->pieces));
        table->pieces[piece] = resize(NULL, PIECE_VALUES * table->bytes);
        table->hashes = resize(table->hashes, table->value_room * sizeof(*table->hashes));
    }
    memcpy(table->pieces[piece] + (size_t)(table->count % PIECE_VALUES) * table->bytes, value,
           table->bytes);
    table->hashes[table->count] = hash;
    table->count++;
    if (2 * (uint64_t)table->count > table->slot_count) {
        grow_slots(table);
    } else {
        place(table, table->count - 1);
    }
}

uint32_t intern_new(struct intern *table, const void *value, bool *is_new)
{
    uint32_t hash = hash_of(value, table->bytes);

    if (table->slot_count == 0) {
        grow_slots(table);
    }
    for (uint32_t slot = hash & (table->slot_count - 1); table->slots[slot] != 0;
         slot = (slot + 1) & (table->slot_count - 1)) {
        uint32_t number = table->slots[slot] - 1;

        if (table->hashes[number] == hash &&
            memcmp(interned(table, number), value, table->bytes) == 0) {
            *is_new = false;
            return number;
        }
    }
    *is_new = true;
    add(table, value, hash);
    return table->count - 1;
}

uint32_t intern(struct intern *table, const void *value)
{
    bool is_new;

    return intern_new(table, value, &is_new);
}

void intern_clear(struct intern *table)
{
    for (uint32_t i = 0; i < table->value_room / PIECE_VALUES; i++) {
        free(table->pieces[i]);
    }
    free(table->pieces);
    free(table->slots);
    free(table->hashes);
    *table = (struct intern){.bytes = table->bytes};
}
