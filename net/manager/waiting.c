/* SPDX-License-Identifier: MIT */
/*
 * The pool behind the queues. Free entries are linked through the same field as queued ones;
 * entries that were never used lie above `fresh`, so that nothing needs to be set up.
 */
#include "net/manager/waiting.h"

#include <errno.h>

#include "kernel/platform.h"

_Static_assert(WAITING_MAX <= UINT16_MAX, "entries are named by 16 bits");

static void append(struct waiting_pool *pool, struct waiting_queue *queue, uint16_t index)
{
    if (queue->count == 0) {
        queue->first = index;
    } else {
        pool->entries[queue->last].next = index;
    }
    queue->last = index;
    queue->count++;
    ASSERT(queue->count + pool->free_count <= pool->fresh);
}

static uint16_t detach_first(struct waiting_pool *pool, struct waiting_queue *queue)
{
    uint16_t index = queue->first;

    ASSERT(queue->count != 0);
    ASSERT(index < pool->fresh);
    queue->first = pool->entries[index].next;
    queue->count--;
    return index;
}

static void release(struct waiting_pool *pool, uint16_t index)
{
    pool->entries[index].next = pool->first_free;
    pool->first_free = index;
    pool->free_count++;
    ASSERT(pool->free_count <= pool->fresh);
}

int waiting_add(struct waiting_pool *pool, struct waiting_queue *queue,
                const struct waiting_connection *connection)
{
    uint16_t index;

    if (pool->free_count != 0) {
        index = pool->first_free;
        ASSERT(index < pool->fresh);
        pool->first_free = pool->entries[index].next;
        pool->free_count--;
    } else if (pool->fresh < WAITING_MAX) {
        index = pool->fresh++;
    } else {
        return -ENOMEM;
    }
    pool->entries[index].connection = *connection;
    append(pool, queue, index);
    return 0;
}

bool waiting_take(struct waiting_pool *pool, struct waiting_queue *queue,
                  struct waiting_connection *connection)
{
    uint16_t index;

    if (queue->count == 0) {
        return false;
    }
    index = detach_first(pool, queue);
    *connection = pool->entries[index].connection;
    release(pool, index);
    return true;
}

void waiting_remove_ts(struct waiting_pool *pool, struct waiting_queue *queue, node_id_t ts)
{
    /* Once around: what stays is appended again, in its old order. */
    for (uint32_t left = queue->count; left != 0; left--) {
        uint16_t index = detach_first(pool, queue);

        if (pool->entries[index].connection.ts == ts) {
            release(pool, index);
        } else {
            append(pool, queue, index);
        }
    }
}
