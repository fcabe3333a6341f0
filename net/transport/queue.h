/* SPDX-License-Identifier: MIT */
/*
 * Intrusive queues of connections, oldest first: rings of links through a head. A link that is
 * zero is on no queue.
 */
#pragma once

#include "kernel/platform.h"

struct connection_link {
    struct connection_link *next, *previous;
};

static inline void connection_queue_initialise(struct connection_link *queue)
{
    queue->next = queue->previous = queue;
}

static inline bool connection_queue_is_empty(const struct connection_link *queue)
{
    return queue->next == queue;
}

static inline bool connection_link_is_queued(const struct connection_link *link)
{
    return link->next != NULL;
}

static inline void connection_queue_append(struct connection_link *queue,
                                           struct connection_link *link)
{
    ASSERT_SLOW(!connection_link_is_queued(link));
    ASSERT_SLOW(queue->previous->next == queue && queue->next->previous == queue);
    link->next = queue;
    link->previous = queue->previous;
    queue->previous->next = link;
    queue->previous = link;
}

/* From whatever queue it is on, if it is on one. */
static inline void connection_queue_remove(struct connection_link *link)
{
    if (connection_link_is_queued(link)) {
        ASSERT_SLOW(link->previous->next == link && link->next->previous == link);
        link->previous->next = link->next;
        link->next->previous = link->previous;
        link->next = link->previous = NULL;
    }
}
