/* SPDX-License-Identifier: MIT */
/*
 * The pool behind the queues. Free entries are linked through the same field as queued ones;
 * entries that were never used lie above `fresh`, so that nothing needs to be set up.
 */
#include "net/manager/waiting.h"

#include <errno.h>

struct entry {
    struct waiting_connection connection;
    uint16_t next;
};

static struct entry entries[WAITING_MAX];
static uint16_t fresh;      /* entries from here on were never used */
static uint16_t first_free; /* meaningless when free_count is 0 */
static uint16_t free_count;

_Static_assert(WAITING_MAX <= UINT16_MAX, "entries are named by 16 bits");

static void append(struct waiting_queue *queue, uint16_t index)
{
    if (queue->count == 0) {
        queue->first = index;
    } else {
        entries[queue->last].next = index;
    }
    queue->last = index;
    queue->count++;
}

static uint16_t detach_first(struct waiting_queue *queue)
{
    uint16_t index = queue->first;

    queue->first = entries[index].next;
    queue->count--;
    return index;
}

static void release(uint16_t index)
{
    entries[index].next = first_free;
    first_free = index;
    free_count++;
}

int waiting_add(struct waiting_queue *queue, const struct waiting_connection *connection)
{
    uint16_t index;

    if (free_count != 0) {
        index = first_free;
        first_free = entries[index].next;
        free_count--;
    } else if (fresh < WAITING_MAX) {
        index = fresh++;
    } else {
        return -ENOMEM;
    }
    entries[index].connection = *connection;
    append(queue, index);
    return 0;
}

bool waiting_take(struct waiting_queue *queue, struct waiting_connection *connection)
{
    uint16_t index;

    if (queue->count == 0) {
        return false;
    }
    index = detach_first(queue);
    *connection = entries[index].connection;
    release(index);
    return true;
}

void waiting_remove_ts(struct waiting_queue *queue, node_id_t ts)
{
    /* Once around: what stays is appended again, in its old order. */
    for (uint32_t left = queue->count; left != 0; left--) {
        uint16_t index = detach_first(queue);

        if (entries[index].connection.ts == ts) {
            release(index);
        } else {
            append(queue, index);
        }
    }
}
