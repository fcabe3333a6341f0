/* SPDX-License-Identifier: MIT */
/*
 * Entries stand in one array and are linked by their places in it, of 16 bits.
 *
 * How many a remote address has is known without a search: each counts in two cells, one of each of
 * two rows, which it finds by two keyed hashes. It has no more than the lesser of the two, and less
 * only if in both cells others count as well.
 */
#include "net/transport/tcp/half_open_table.h"

#include <string.h>

#include "kernel/platform.h"
#include "libc/core/memory.h"
#include "net/transport/hash.h"
#include "net/transport/tcp/half_open.h"

#define CELL_COUNT_LOG 11u /* of each row */
#define ROW_COUNT      2u
#define NOT_IN_USE     HALF_OPEN_QUEUE_COUNT

_Static_assert(HALF_OPEN_MAX < HALF_OPEN_NONE, "a place has 16 bits");

MEMORY_KIND(half_open_kind, "half_open");

static struct table {
    struct half_open entries[HALF_OPEN_MAX];
    uint16_t cells[ROW_COUNT][1u << CELL_COUNT_LOG];
} * table;

static struct {
    uint16_t first, last;
} queues[HALF_OPEN_QUEUE_COUNT];

static uint32_t count;
static uint16_t first_free;
/* Odd factors of a multiplicative hash (Dietzfelbinger and others, 1997), secret. */
static uint64_t row_factors[ROW_COUNT];

static uint16_t place_of(const struct half_open *entry)
{
    return (uint16_t)(entry - table->entries);
}

static struct half_open *entry_at(uint16_t place)
{
    ASSERT_SLOW(place < HALF_OPEN_MAX);
    return &table->entries[place];
}

/* --- By remote address --- */

static uint16_t *cell_of(unsigned row, uint32_t remote_address)
{
    /* The address ends up in the upper half, which all its bits reach. */
    return &table->cells[row][(remote_address * row_factors[row]) >> (64 - CELL_COUNT_LOG)];
}

static void count_address(uint32_t remote_address, uint16_t difference)
{
    for (unsigned row = 0; row < ROW_COUNT; row++) {
        uint16_t *cell = cell_of(row, remote_address);

        *cell = (uint16_t)(*cell + difference);
        ASSERT_SLOW(*cell <= HALF_OPEN_MAX);
    }
}

unsigned half_open_table_count_of(uint32_t remote_address)
{
    unsigned left = *cell_of(0, remote_address);
    unsigned right = *cell_of(1, remote_address);

    return left < right ? left : right;
}

/* --- Queues --- */

static void append(struct half_open *entry, unsigned queue)
{
    uint16_t place = place_of(entry);
    uint16_t last = queues[queue].last;

    ASSERT_SLOW(last == HALF_OPEN_NONE ||
                entry_at(last)->handshake.opened_ns <= entry->handshake.opened_ns);
    entry->handshake.queue = (uint8_t)queue;
    entry->next = HALF_OPEN_NONE;
    entry->previous = last;
    if (last == HALF_OPEN_NONE) {
        queues[queue].first = place;
    } else {
        entry_at(last)->next = place;
    }
    queues[queue].last = place;
}

static inline void unlink_from_queue(struct half_open *entry)
{
    if (entry->previous == HALF_OPEN_NONE) {
        queues[entry->handshake.queue].first = entry->next;
    } else {
        entry_at(entry->previous)->next = entry->next;
    }
    if (entry->next == HALF_OPEN_NONE) {
        queues[entry->handshake.queue].last = entry->previous;
    } else {
        entry_at(entry->next)->previous = entry->previous;
    }
}

void half_open_table_move(struct half_open *entry, unsigned queue)
{
    ASSERT(entry->handshake.queue < HALF_OPEN_QUEUE_COUNT && queue < HALF_OPEN_QUEUE_COUNT);
    unlink_from_queue(entry);
    append(entry, queue);
}

struct half_open *half_open_table_first(unsigned queue)
{
    return queues[queue].first == HALF_OPEN_NONE ? NULL : entry_at(queues[queue].first);
}

/* --- Entries --- */

struct half_open *half_open_table_find(const struct flow *flow)
{
    struct flow_entry *entry = flows_find(flow, flow_hash(flow));

    return entry != NULL && entry->state == FLOW_HALF_OPEN ? half_open_of(entry) : NULL;
}

struct half_open *half_open_table_add(const struct flow *flow, uint32_t flow_hash,
                                      uint64_t opened_ns)
{
    struct half_open *entry;

    if (first_free == HALF_OPEN_NONE ||
        half_open_table_count_of(flow->remote_address) >= HALF_OPEN_MAX_PER_PEER) {
        return NULL;
    }
    count_address(flow->remote_address, 1);
    entry = entry_at(first_free);
    ASSERT_SLOW(entry->handshake.queue == NOT_IN_USE);
    first_free = entry->next;
    entry->handshake.flow = *flow;
    entry->handshake.state = FLOW_HALF_OPEN;
    entry->handshake.opened_ns = opened_ns;
    flows_add(&entry->handshake.entry, flow_hash);
    append(entry, 0);
    count++;
    return entry;
}

/* Inline: once for each connection. */
__attribute__((always_inline)) inline void half_open_table_forget(struct half_open *entry)
{
    ASSERT(entry->handshake.queue < HALF_OPEN_QUEUE_COUNT && count > 0);
    unlink_from_queue(entry);
    count_address(entry->handshake.flow.remote_address, UINT16_MAX); /* one less */
    entry->handshake.queue = NOT_IN_USE;
    entry->next = first_free;
    first_free = place_of(entry);
    count--;
}

void half_open_table_remove(struct half_open *entry)
{
    flows_remove(&entry->handshake.entry);
    half_open_table_forget(entry);
}

uint32_t half_open_table_count(void)
{
    return count;
}

struct half_open *half_open_table_at(unsigned place)
{
    struct half_open *entry = entry_at((uint16_t)place);

    return entry->handshake.queue == NOT_IN_USE ? NULL : entry;
}

void half_open_table_initialise(void)
{
    table = memory_renew(&half_open_kind, table, sizeof(*table));
    for (unsigned i = 0; i < HALF_OPEN_MAX; i++) {
        table->entries[i].handshake.queue = NOT_IN_USE;
        table->entries[i].next = i + 1 < HALF_OPEN_MAX ? (uint16_t)(i + 1) : HALF_OPEN_NONE;
    }
    for (unsigned queue = 0; queue < HALF_OPEN_QUEUE_COUNT; queue++) {
        queues[queue].first = queues[queue].last = HALF_OPEN_NONE;
    }
    for (unsigned row = 0; row < ROW_COUNT; row++) {
        row_factors[row] = platform_random() | 1;
    }
    first_free = 0;
    count = 0;
}
