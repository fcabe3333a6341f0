/* SPDX-License-Identifier: MIT */
#include "net/transport/tcp/delayed_ack.h"

#include "kernel/message/dispatch.h"
#include "kernel/platform.h"
#include "libc/core/timer.h"
#include "net/transport/tcp/events.h"
#include "net/transport/tcp/receiver.h"
#include "net/transport/tcp/tcb.h"

/* Connections at a time. Chosen; 16 KiB. */
#define RING_COUNT 1024u
#define RING_MASK  (RING_COUNT - 1)

_Static_assert(IS_POWER_OF_TWO(RING_COUNT), "free-running indices are masked into the ring");

struct delayed_ack {
    struct tcb *tcb; /* the place of a connection: another's by then, perhaps, or nobody's */
    uint64_t due_ns;
};

static struct delayed_ack ring[RING_COUNT]; /* by due_ns */
static uint32_t first, end;                 /* free-running */
static struct timer timer;                  /* for the first */

static void start_timer(void)
{
    if (timer_start(&timer, ring[first & RING_MASK].due_ns) != 0) {
        PANIC("no memory for the transport server's timer");
    }
}

/* An earlier connection in its place may stand here: then it is looked at once more. */
void delayed_ack_open(struct tcb *tcb)
{
    tcb->is_ack_listed = false;
}

static void append(struct tcb *tcb)
{
    ring[end++ & RING_MASK] =
        (struct delayed_ack){tcb, dispatch_now_ns() + (uint64_t)RECEIVER_ACK_DELAY_US * NS_PER_US};
    tcb->is_ack_listed = true;
}

static void look_at(struct tcb *tcb)
{
    tcb->is_ack_listed = false;
    if (tcb->ack_due != ACK_DELAYED || tcb->state == TCB_CLOSED) {
        return;
    }
    receiver_expire(tcb);
    if (tcb->ack_due == ACK_DELAYED) {
        append(tcb); /* it has sent one since, and owes another */
    } else {
        tcp_event_unsettled(tcb);
    }
}

static void expire(struct timer *expired)
{
    uint64_t now_ns = dispatch_now_ns();

    (void)expired;
    while (first != end && ring[first & RING_MASK].due_ns <= now_ns) {
        look_at(ring[first++ & RING_MASK].tcb);
    }
    if (first != end) {
        start_timer();
    }
}

__attribute__((noinline)) void delayed_ack_add(struct tcb *tcb)
{
    if (end - first == RING_COUNT) {
        return;
    }
    append(tcb);
    if (end - first == 1) {
        start_timer();
    }
}

void delayed_ack_initialise(void)
{
    if (timer.expired == NULL) {
        timer_initialise(&timer, expire);
    }
    timer_stop(&timer);
    first = end = 0;
}
