/* SPDX-License-Identifier: MIT */
/*
 * lwIP's clocks, run by ours.
 *
 * The slow timer visits the PCBs on lwIP's active list, which is empty when all connections are
 * idle; then it is not set. lwIP measures ages by its own count of ticks, so the count follows
 * the real time again before anything is done with it. Delayed acknowledgements wait in a queue:
 * all have the same delay, so one timer for its head serves them all.
 */
#include "net/transport/timer.h"

#include "kernel/message/dispatch.h"
#include "kernel/platform.h"
#include "kernel/thread/timer.h"
#include "net/transport/connection.h"
#include "net/transport/orphan.h"
#include "net/transport/pcb.h"

#include "lwip/timeouts.h"
#include "net/transport/lwip/tcp.h"

_Static_assert(TRANSPORT_TICK_NS == TCP_SLOW_INTERVAL * NS_PER_MS, "one unit, two names");

static struct timer slow_timer;
static struct timer ack_timer;
static struct connection_link delayed_acks; /* oldest first */

static void start(struct timer *timer, uint64_t deadline_ns)
{
    if (timer_start(timer, deadline_ns) != 0) {
        PANIC("no memory for the transport server's timers");
    }
}

/* lwIP's own wheel of time-outs is not used (LWIP_TIMERS_CUSTOM), but it starts it. */
void sys_timeouts_init(void)
{
}

/* --- Slow ticks --- */

static uint32_t ticks_until(uint64_t now_ns)
{
    /* From 1: lwIP takes 0 for "no measurement under way". */
    return (uint32_t)(now_ns / TRANSPORT_TICK_NS) + 1;
}

void transport_timer_catch_up(void)
{
    uint32_t ticks;

    if (timer_is_set(&slow_timer)) {
        return;
    }
    ticks = ticks_until(dispatch_now_ns());
    if ((int32_t)(ticks - tcp_ticks) > 0) {
        tcp_ticks = ticks;
    }
}

/* A FIN for which there was no memory: lwIP tries it again in its fast timer. */
static bool any_close_pending(void)
{
    for (const struct tcp_pcb *pcb = tcp_active_pcbs; pcb != NULL; pcb = pcb->next) {
        if ((pcb->flags & TF_CLOSEPEND) != 0) {
            return true;
        }
    }
    return false;
}

static void tick_slowly(struct timer *timer)
{
    uint64_t now_ns = dispatch_now_ns();
    uint32_t ticks = ticks_until(now_ns);

    /* Time-outs that compare ages see all ticks that have passed; tcp_slowtmr() adds the last. */
    if ((int32_t)(ticks - tcp_ticks) > 1) {
        tcp_ticks = ticks - 1;
    }
    tcp_slowtmr();
    if (any_close_pending()) {
        tcp_fasttmr();
    }
    pcb_park_all();
    orphan_expire();
    connection_publish_counts();
    if (pcb_is_any_ticking()) {
        start(timer, now_ns + TRANSPORT_TICK_NS);
    }
}

/* --- Delayed acknowledgements --- */

static void send_delayed_acks(struct timer *timer)
{
    uint64_t now_ns = dispatch_now_ns();

    while (!connection_queue_is_empty(&delayed_acks)) {
        struct connection *connection =
            CONTAINER_OF(delayed_acks.next, struct connection, ack_link);

        ASSERT_SLOW(connection->ack_deadline_ns <= now_ns + DELAYED_ACK_NS);
        if (connection->ack_deadline_ns > now_ns) {
            start(timer, connection->ack_deadline_ns);
            return;
        }
        connection_queue_remove(&connection->ack_link);
        if (connection->pcb != NULL && (connection->pcb->flags & TF_ACK_DELAY) != 0) {
            tcp_clear_flags(connection->pcb, TF_ACK_DELAY);
            tcp_ack_now(connection->pcb);
            connection_request_output(connection);
        }
    }
}

void transport_timer_watch(struct connection *connection)
{
    ASSERT_SLOW(connection->pcb != NULL);
    if (connection->is_listed && !timer_is_set(&slow_timer)) {
        start(&slow_timer, dispatch_now_ns() + TRANSPORT_TICK_NS);
    }
    if ((connection->pcb->flags & TF_ACK_DELAY) == 0 ||
        connection_link_is_queued(&connection->ack_link)) {
        return;
    }
    connection->ack_deadline_ns = dispatch_now_ns() + DELAYED_ACK_NS;
    ASSERT_SLOW(connection_queue_is_empty(&delayed_acks) ||
                CONTAINER_OF(delayed_acks.previous, struct connection, ack_link)->ack_deadline_ns <=
                    connection->ack_deadline_ns);
    connection_queue_append(&delayed_acks, &connection->ack_link);
    if (!timer_is_set(&ack_timer)) {
        start(&ack_timer, connection->ack_deadline_ns);
    }
}

void transport_timer_forget(struct connection *connection)
{
    connection_queue_remove(&connection->ack_link);
}

void transport_timer_initialise(void)
{
    timer_initialise(&slow_timer, tick_slowly);
    timer_initialise(&ack_timer, send_delayed_acks);
    connection_queue_initialise(&delayed_acks);
}
