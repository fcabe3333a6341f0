/* SPDX-License-Identifier: MIT */
/*
 * The table is a pool, so an entry does not move and its generation counts on.
 */
#include "net/transport/table.h"

#include <string.h>

#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "libc/core/pool.h"
#include "net/transport/availability.h"
#include "net/transport/connection.h"
#include "net/transport/counters.h"

_Static_assert(CONNECTION_MAX % POOL_CHUNK == 0 && CONNECTION_LEAST % POOL_CHUNK == 0,
               "whole chunks");
_Static_assert(offsetof(struct connection, place) == 0, "it is a pool's");

POOL(table, "connection", struct connection, 0);

void connection_table_initialise(void)
{
    uint64_t limit = status_memory_bytes(platform_node()) / CONNECTION_SHARE_BYTES;

    limit = limit < CONNECTION_LEAST ? CONNECTION_LEAST : limit;
    limit = limit > CONNECTION_MAX ? CONNECTION_MAX : limit;
    table.object_max = (uint32_t)ALIGN_DOWN(limit, POOL_CHUNK);
    counter_add(COUNTER_CONNECTIONS_MAX, connection_table_limit());
}

uint32_t connection_table_limit(void)
{
    return table.object_max;
}

struct connection *connection_allocate(void)
{
    struct connection *connection = pool_take(&table);
    struct pool_object place;
    uint32_t generation;

    if (connection == NULL) {
        return NULL;
    }
    ASSERT(connection->state == CONNECTION_FREE);
    place = connection->place;
    generation = connection->generation;
    memset(connection, 0, sizeof(*connection));
    connection->place = place;
    connection->generation = generation + 1;
    connection_set_state(connection, CONNECTION_ASSIGNED);
    return connection;
}

void connection_release(struct connection *connection)
{
    ASSERT(!connection_has_tcp(connection));
    ASSERT(!connection->tcb.is_hashed && !connection->is_dirty);
    ASSERT(!connection_link_is_queued(&connection->claim_link));
    ASSERT(!connection_link_is_queued(&connection->blocked_link));
    connection_drop_received(connection);
    connection_set_state(connection, CONNECTION_FREE);
    pool_release(&table, connection);
}

struct connection *connection_at(uint32_t index)
{
    struct connection *connection;

    if (index >= pool_size(&table)) {
        return NULL;
    }
    connection = pool_at(&table, index);
    ASSERT_SLOW(connection->place.index == index);
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

    if (index >= pool_size(&table)) {
        return false;
    }
    entry = pool_at(&table, index);
    return generation != 0 && (int32_t)(entry->generation - generation) >= 0;
}

uint32_t connection_table_size(void)
{
    return pool_size(&table);
}

bool connection_table_is_full(void)
{
    return pool_is_exhausted(&table);
}
