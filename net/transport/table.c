/* SPDX-License-Identifier: MIT */
/*
 * The table is a pool, so an entry does not move and its generation counts on.
 */
#include "net/transport/table.h"

#include <string.h>

#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "libc/core/pool.h"
#include "net/counters.h"
#include "net/transport/availability.h"
#include "net/transport/connection.h"
#include "net/transport/counters.h"
#include "net/transport/overload.h"
#include "net/transport/share.h"

_Static_assert(CONNECTION_MAX % POOL_CHUNK == 0 && CONNECTION_LEAST % POOL_CHUNK == 0,
               "whole chunks");
_Static_assert(offsetof(struct connection, place) == 0, "it is a pool's");

POOL(table, "connection", struct connection, 0);

/* By address, those that begin while half of the table is in use, and COUNT_BATCH of the others
 * with each of them: so all are, before two thirds are in use, and below half none costs anything.
 */
static struct share by_address;
static uint32_t next_to_count;

#define COUNT_BATCH 16u

/* Chosen: what is done for so many takes some microseconds. */
#define VISITS_PER_NOTE 64u

/* What lies before and between is set by tcb_open(), by availability_assign(), or when a stream
 * begins, and what lies behind when it is used, or is as the last one left it. In two parts: so it
 * takes a store for each word. */
#define ZERO_FROM       offsetof(struct connection, credit_bytes)
#define ZERO_TO         offsetof(struct connection, acceptor)
#define ZERO_AGAIN_FROM offsetof(struct connection, blocked_link)
#define ZERO_AGAIN_TO   offsetof(struct connection, since_ns)

void connection_table_initialise(void)
{
    uint64_t limit = status_memory_bytes(platform_node()) / CONNECTION_SHARE_BYTES;

    limit = limit < CONNECTION_LEAST ? CONNECTION_LEAST : limit;
    limit = limit > CONNECTION_MAX ? CONNECTION_MAX : limit;
    table.object_max = (uint32_t)ALIGN_DOWN(limit, POOL_CHUNK);
    share_initialise(&by_address, table.object_max);
    next_to_count = 0;
    counter_add(COUNTER_CONNECTIONS_MAX, connection_table_limit());
}

uint32_t connection_table_limit(void)
{
    return table.object_max;
}

static inline bool is_half_full(void)
{
    return table.kind.counts->objects >= table.object_max / 2;
}

static __attribute__((noinline)) void count_by_address(struct connection *connection,
                                                       uint32_t remote_address)
{
    share_take(&by_address, remote_address, 1);
    connection->is_counted = true;
}

static __attribute__((noinline)) void count_some(void)
{
    for (unsigned i = 0; i < COUNT_BATCH; i++) {
        struct connection *connection;

        next_to_count = next_to_count < pool_size(&table) ? next_to_count : 0;
        connection = connection_at(next_to_count++);
        if (connection != NULL && !connection->is_counted) {
            count_by_address(connection, connection->tcb.flow.remote_address);
        }
    }
}

struct connection *connection_allocate(uint32_t remote_address)
{
    bool is_to_count = is_half_full();
    struct connection *connection;

    if (UNLIKELY(is_to_count)) {
        if (!connection_table_allows(remote_address)) {
            return NULL;
        }
        count_some();
    }
    connection = pool_take(&table);
    if (UNLIKELY(connection == NULL)) {
        return NULL;
    }
    ASSERT(connection->state == CONNECTION_FREE);
    memset((uint8_t *)connection + ZERO_FROM, 0, ZERO_TO - ZERO_FROM);
    memset((uint8_t *)connection + ZERO_AGAIN_FROM, 0, ZERO_AGAIN_TO - ZERO_AGAIN_FROM);
    connection->generation++;
    if (UNLIKELY(is_to_count)) {
        count_by_address(connection, remote_address);
    }
    connection_set_state(connection, CONNECTION_ASSIGNED);
    return connection;
}

void connection_release(struct connection *connection)
{
    ASSERT(!connection_has_tcp(connection));
    ASSERT(!connection->tcb.is_hashed && connection->due == 0);
    ASSERT(!connection_link_is_queued(&connection->claim_link));
    ASSERT(!connection_link_is_queued(&connection->blocked_link));
    connection_drop_received(connection);
    connection_set_state(connection, CONNECTION_FREE);
    if (UNLIKELY(connection->is_counted)) {
        share_give_back(&by_address, connection->tcb.flow.remote_address, 1);
    }
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

void connection_for_each(void (*visit)(struct connection *connection, void *context), void *context)
{
    for (uint32_t index = 0; index < pool_size(&table); index++) {
        struct connection *connection = connection_at(index);

        if (index % VISITS_PER_NOTE == 0) {
            status_note_progress();
        }
        if (connection != NULL) {
            visit(connection, context);
        }
    }
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

uint32_t connection_table_count(void)
{
    return (uint32_t)table.kind.counts->objects;
}

bool connection_table_is_full(void)
{
    return pool_is_exhausted(&table);
}

inline bool connection_table_allows(uint32_t remote_address)
{
    return LIKELY(!is_half_full()) ||
           (!connection_table_is_full() && share_allows(&by_address, remote_address, 1));
}

uint32_t connection_count_of(uint32_t remote_address)
{
    return (uint32_t)share_of(&by_address, remote_address);
}

static __attribute__((noinline)) void note_refused(uint32_t remote_address)
{
    if (connection_table_is_full()) {
        counter_increment(COUNTER_DROP_TABLE_FULL);
        overload_note(OVERLOAD_TABLE, connection_table_limit());
    } else {
        counter_increment(COUNTER_DROP_ADDRESS_LIMIT);
        overload_note(OVERLOAD_ADDRESS, connection_count_of(remote_address));
    }
}

bool connection_admit(uint32_t remote_address)
{
    bool is_admitted = connection_table_allows(remote_address);

    if (UNLIKELY(!is_admitted)) {
        note_refused(remote_address);
    }
    return is_admitted;
}
