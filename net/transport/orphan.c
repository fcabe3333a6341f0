/* SPDX-License-Identifier: MIT */
/*
 * Orphans stand in the order in which their periods end. One that got on in its period begins
 * another one behind the others.
 */
#include "net/transport/orphan.h"

#include "kernel/message/dispatch.h"
#include "kernel/message/status.h"
#include "kernel/platform.h"
#include "libc/core/timer.h"
#include "net/transport/connection.h"
#include "net/transport/counters.h"
#include "net/transport/share.h"

/* A node whose free memory is less than this part of all resets its oldest orphans, so many each
 * time it looks. Chosen. */
#define SCARCE_PART    16u
#define SCARCE_BATCH   1024u
/* An address that has this part of all orphans that there may be, of those that were closed while
 * there were half as many: its own are reset before others' when they are too many, if no more than
 * so many others stand before them. Chosen. */
#define HOARDER_PART   4u
#define HOARDER_SEARCH 1024u

static struct connection_link orphans; /* the one whose period ends first comes first */
static uint32_t orphan_count;
static uint32_t orphan_limit;
static struct share by_address;
static struct timer look_timer; /* set while there are some */

static struct connection *first_orphan(void)
{
    ASSERT(!connection_queue_is_empty(&orphans));
    return CONTAINER_OF(orphans.next, struct connection, orphan_link);
}

static void begin_period(struct connection *connection)
{
    connection->orphan_deadline_ns = dispatch_now_ns() + ORPHAN_PERIOD_NS;
    connection->orphan_acknowledged = connection->tcb.snd_una;
    connection->orphan_tcp_state = connection->tcb.state;
    connection_queue_append(&orphans, &connection->orphan_link);
}

static void start_look_timer(void)
{
    if (timer_start(&look_timer, dispatch_now_ns() + ORPHAN_LOOK_NS) != 0) {
        PANIC("no memory for the timer of orphans");
    }
}

/* Apart: few live so long. */
__attribute__((noinline)) void orphan_watch(struct connection *connection)
{
    ASSERT_SLOW(connection->state == CONNECTION_DETACHED && connection_has_tcp(connection));
    ASSERT_SLOW(!connection_link_is_queued(&connection->claim_link)); /* in whose place it is now */
    begin_period(connection);
    orphan_count++;
    connection->is_orphan_counted = orphan_count > orphan_limit / 2;
    if (UNLIKELY(connection->is_orphan_counted)) {
        share_take(&by_address, connection->tcb.flow.remote_address, 1);
    }
    if (UNLIKELY(!timer_is_set(&look_timer))) {
        start_look_timer();
    }
}

void orphan_forget(struct connection *connection)
{
    if (connection->state == CONNECTION_DETACHED &&
        connection_link_is_queued(&connection->orphan_link)) {
        ASSERT_SLOW(orphan_count > 0);
        connection_queue_remove(&connection->orphan_link);
        orphan_count--;
        if (UNLIKELY(connection->is_orphan_counted)) {
            share_give_back(&by_address, connection->tcb.flow.remote_address, 1);
        }
    }
}

static void reset(struct connection *connection, unsigned reason)
{
    counter_increment(reason);
    connection_abort(connection, 0);
    ASSERT(!connection_link_is_queued(&connection->orphan_link)); /* TCP has told of the end */
}

/* By bytes, or by a state that the peer has brought it to: to send FIN is our own doing. */
static bool has_got_on(const struct connection *connection)
{
    uint8_t state = connection->tcb.state;

    return connection->tcb.snd_una - connection->orphan_acknowledged >= ORPHAN_LEAST_BYTES ||
           (state != connection->orphan_tcp_state && state != TCB_FIN_WAIT_1 &&
            state != TCB_LAST_ACK);
}

static bool is_memory_scarce(void)
{
    return platform_free_memory_bytes() < status_memory_bytes(platform_node()) / SCARCE_PART;
}

static bool is_hoarders(const struct connection *connection)
{
    return share_of(&by_address, connection->tcb.flow.remote_address) > orphan_limit / HOARDER_PART;
}

/* The oldest ones of addresses that have many, else the oldest. */
static void reset_too_many(void)
{
    struct connection_link *link = orphans.next;
    unsigned passed_count = 0;

    while (orphan_count > orphan_limit && link != &orphans && passed_count < HOARDER_SEARCH) {
        struct connection *connection = CONTAINER_OF(link, struct connection, orphan_link);

        link = link->next;
        if (is_hoarders(connection)) {
            reset(connection, COUNTER_ORPHANS_TOO_MANY);
        } else {
            passed_count++;
        }
    }
    while (orphan_count > orphan_limit) {
        reset(first_orphan(), COUNTER_ORPHANS_TOO_MANY);
    }
}

static void look(struct timer *timer)
{
    uint64_t now_ns = dispatch_now_ns();

    (void)timer;
    while (!connection_queue_is_empty(&orphans) && first_orphan()->orphan_deadline_ns <= now_ns) {
        struct connection *connection = first_orphan();

        if (has_got_on(connection)) {
            connection_queue_remove(&connection->orphan_link);
            begin_period(connection);
        } else {
            reset(connection, COUNTER_ORPHANS_STALLED);
        }
    }
    reset_too_many();
    for (unsigned i = 0; i < SCARCE_BATCH && orphan_count > 0 && is_memory_scarce(); i++) {
        reset(first_orphan(), COUNTER_ORPHANS_MEMORY);
    }
    if (orphan_count > 0) {
        start_look_timer();
    }
}

void orphan_initialise(void)
{
    uint64_t limit = status_memory_bytes(platform_node()) / ORPHAN_SHARE_BYTES;

    connection_queue_initialise(&orphans);
    timer_initialise(&look_timer, look);
    orphan_count = 0;
    orphan_limit = (uint32_t)(limit < ORPHAN_LEAST_COUNT ? ORPHAN_LEAST_COUNT
                              : limit < UINT32_MAX       ? limit
                                                         : UINT32_MAX);
    share_initialise(&by_address, orphan_limit);
}
