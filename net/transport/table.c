/* SPDX-License-Identifier: MIT */
/*
 * The table is made of chunks that are allocated when they are first needed and stay, so an entry
 * does not move and its generation counts on. Free entries form a stack: the one whose memory is
 * warmest is used next.
 */
#include "net/transport/table.h"

#include <string.h>

#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "libc/core/memory.h"
#include "net/transport/availability.h"
#include "net/transport/connection.h"
#include "net/transport/counters.h"
#include "net/transport/stream.h"
#include "net/transport/timer.h"

_Static_assert(CONNECTION_MAX % CONNECTION_CHUNK == 0 && CONNECTION_LEAST % CONNECTION_CHUNK == 0,
               "whole chunks");

static struct connection **chunks; /* [chunk_limit] */
static uint32_t chunk_count, chunk_limit;
static struct connection *free_entries; /* by next_free */

void connection_table_initialise(void)
{
    uint64_t limit = status_memory_bytes(platform_node()) / CONNECTION_SHARE_BYTES;

    limit = limit < CONNECTION_LEAST ? CONNECTION_LEAST : limit;
    limit = limit > CONNECTION_MAX ? CONNECTION_MAX : limit;
    chunk_limit = (uint32_t)limit / CONNECTION_CHUNK;
    chunks = memory_allocate(chunk_limit * sizeof(*chunks));
    if (chunks == NULL) {
        PANIC("no memory for the table of %u connections", connection_table_limit());
    }
    counter_add(COUNTER_CONNECTIONS_MAX, connection_table_limit());
}

uint32_t connection_table_limit(void)
{
    return chunk_limit * CONNECTION_CHUNK;
}

static bool add_chunk(void)
{
    struct connection *chunk;

    if (chunk_count == chunk_limit) {
        return false;
    }
    chunk = memory_allocate_zeroed(CONNECTION_CHUNK * sizeof(*chunk));
    if (chunk == NULL) {
        return false;
    }
    for (uint32_t i = CONNECTION_CHUNK; i-- > 0;) {
        chunk[i].index = chunk_count * CONNECTION_CHUNK + i;
        chunk[i].next_free = free_entries;
        free_entries = &chunk[i];
    }
    chunks[chunk_count++] = chunk;
    return true;
}

struct connection *connection_allocate(void)
{
    struct connection *connection;
    uint32_t index;
    uint32_t generation;

    if (free_entries == NULL && !add_chunk()) {
        return NULL;
    }
    connection = free_entries;
    free_entries = connection->next_free;
    ASSERT(connection->state == CONNECTION_FREE);
    index = connection->index;
    generation = connection->generation;
    memset(connection, 0, sizeof(*connection));
    connection->index = index;
    connection->generation = generation + 1;
    connection_set_state(connection, CONNECTION_HALF_OPEN);
    return connection;
}

void connection_release(struct connection *connection)
{
    ASSERT(connection->pcb == NULL);
    ASSERT(!connection->is_hashed && !connection->is_listed && !connection->is_dirty);
    ASSERT(!connection_link_is_queued(&connection->claim_link));
    ASSERT(!connection_link_is_queued(&connection->blocked_link));
    connection_drop_received(connection);
    stream_drop_backlog(connection);
    transport_timer_forget(connection);
    connection_set_state(connection, CONNECTION_FREE);
    connection->next_free = free_entries;
    free_entries = connection;
}

struct connection *connection_at(uint32_t index)
{
    struct connection *connection;

    if (index >= chunk_count * CONNECTION_CHUNK) {
        return NULL;
    }
    connection = &chunks[index / CONNECTION_CHUNK][index % CONNECTION_CHUNK];
    ASSERT_SLOW(connection->index == index);
    return connection->state == CONNECTION_FREE ? NULL : connection;
}

struct connection *connection_find(uint32_t index, uint32_t generation)
{
    struct connection *connection = connection_at(index);

    return connection != NULL && connection->generation == generation ? connection : NULL;
}

bool connection_has_been(uint32_t index, uint32_t generation)
{
    const struct connection *entry;

    if (index >= chunk_count * CONNECTION_CHUNK) {
        return false;
    }
    entry = &chunks[index / CONNECTION_CHUNK][index % CONNECTION_CHUNK];
    return generation != 0 && (int32_t)(entry->generation - generation) >= 0;
}

uint32_t connection_table_size(void)
{
    return chunk_count * CONNECTION_CHUNK;
}

bool connection_table_is_full(void)
{
    return free_entries == NULL && chunk_count == chunk_limit;
}
