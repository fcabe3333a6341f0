/* SPDX-License-Identifier: MIT */
/*
 * Orphans stand in the order in which their periods end. One that got on in its period begins
 * another one with the next tick.
 */
#include "net/transport/orphan.h"

#include "kernel/message/dispatch.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "net/transport/connection.h"
#include "net/transport/counters.h"

#include "net/transport/lwip/tcp.h"

/* A node whose free memory is less than this part of all resets its oldest orphans, so many in a
 * tick. Chosen. */
#define SCARCE_PART  16u
#define SCARCE_BATCH 64u

static struct connection_link orphans; /* the one whose period ends first comes first */
static uint32_t orphan_count;
static uint32_t orphan_limit;

static struct connection *first_orphan(void)
{
    ASSERT(!connection_queue_is_empty(&orphans));
    return CONTAINER_OF(orphans.next, struct connection, orphan_link);
}

void orphan_watch(struct connection *connection)
{
    ASSERT_SLOW(connection->state == CONNECTION_DETACHED && connection->pcb != NULL);
    if (connection_link_is_queued(&connection->orphan_link)) {
        return;
    }
    connection->orphan_deadline_ns = dispatch_now_ns() + ORPHAN_PERIOD_NS;
    connection->orphan_acknowledged = connection->pcb->lastack;
    connection->orphan_tcp_state = (uint8_t)connection->pcb->state;
    connection_queue_append(&orphans, &connection->orphan_link);
    orphan_count++;
}

void orphan_forget(struct connection *connection)
{
    if (connection_link_is_queued(&connection->orphan_link)) {
        ASSERT_SLOW(orphan_count > 0);
        connection_queue_remove(&connection->orphan_link);
        orphan_count--;
    }
}

static void reset(struct connection *connection, unsigned reason)
{
    counter_increment(reason);
    connection_abort(connection, 0);
    ASSERT(!connection_link_is_queued(&connection->orphan_link)); /* pcb.c has told of the end */
}

static bool has_got_on(const struct connection *connection)
{
    const struct tcp_pcb *pcb = connection->pcb;

    return pcb->lastack - connection->orphan_acknowledged >= ORPHAN_LEAST_BYTES ||
           pcb->state != (enum tcp_state)connection->orphan_tcp_state;
}

static bool is_memory_scarce(void)
{
    return platform_free_memory_bytes() < status_memory_bytes(platform_node()) / SCARCE_PART;
}

void orphan_expire(void)
{
    uint64_t now_ns = dispatch_now_ns();

    while (!connection_queue_is_empty(&orphans) && first_orphan()->orphan_deadline_ns <= now_ns) {
        struct connection *connection = first_orphan();

        if (has_got_on(connection)) {
            orphan_forget(connection); /* the next tick begins another period */
        } else {
            reset(connection, COUNTER_ORPHANS_STALLED);
        }
    }
    while (orphan_count > orphan_limit) {
        reset(first_orphan(), COUNTER_ORPHANS_TOO_MANY);
    }
    for (unsigned i = 0; i < SCARCE_BATCH && orphan_count > 0 && is_memory_scarce(); i++) {
        reset(first_orphan(), COUNTER_ORPHANS_MEMORY);
    }
}

void orphan_initialise(void)
{
    uint64_t limit = status_memory_bytes(platform_node()) / ORPHAN_SHARE_BYTES;

    connection_queue_initialise(&orphans);
    orphan_count = 0;
    orphan_limit = (uint32_t)(limit < ORPHAN_LEAST_COUNT ? ORPHAN_LEAST_COUNT
                              : limit < UINT32_MAX       ? limit
                                                         : UINT32_MAX);
}
