/* SPDX-License-Identifier: MIT */
/*
 * See fifo.h.
 */
#include "tests/sim/fifo.h"

#include <stdlib.h>

#include "kernel/platform.h"

static void grow(struct fifo *fifo)
{
    size_t capacity = fifo->capacity == 0 ? 16 : 2 * fifo->capacity;
    struct fifo_entry *entries = malloc(capacity * sizeof(*entries));
    size_t count = fifo_count(fifo);

    ASSERT(entries != NULL);
    for (size_t i = 0; i < count; i++) {
        entries[i] = fifo->entries[(fifo->head + i) & (fifo->capacity - 1)];
    }
    free(fifo->entries);
    *fifo = (struct fifo){.entries = entries, .capacity = capacity, .tail = count};
}

void fifo_put(struct fifo *fifo, struct fifo_entry entry)
{
    if (fifo_count(fifo) == fifo->capacity) {
        grow(fifo);
    }
    fifo->entries[fifo->tail++ & (fifo->capacity - 1)] = entry;
}

struct fifo_entry fifo_take(struct fifo *fifo)
{
    ASSERT(fifo->head != fifo->tail);
    return fifo->entries[fifo->head++ & (fifo->capacity - 1)];
}

void fifo_release(struct fifo *fifo)
{
    free(fifo->entries);
    *fifo = (struct fifo){.entries = NULL};
}
