/* SPDX-License-Identifier: MIT */
#include "net/transport/tcp/soon.h"

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

struct listed {
    struct tcb *tcb; /* the place of a connection: another's by then, perhaps, or nobody's */
    uint64_t due_ns;
};

static struct listed ring[RING_COUNT]; /* by due_ns */
static uint32_t first, end;            /* free-running */
static struct timer timer;             /* for the first */

static void start_timer(void)
{
    if (timer_start(&timer, ring[first & RING_MASK].due_ns) != 0) {
        PANIC("no memory for the transport server's timer");
    }
}

/* The place of an earlier connection may stand here: it serves this one. */
void soon_open(struct tcb *tcb)
{
    tcb->soon &= SOON_LISTED;
}

static void append(struct tcb *tcb)
{
    ring[end++ & RING_MASK] =
        (struct listed){tcb, dispatch_now_ns() + (uint64_t)RECEIVER_ACK_DELAY_US * NS_PER_US};
    tcb->soon |= SOON_LISTED;
}

static void look_again(struct tcb *tcb)
{
    if (!soon_has_looked(tcb)) {
        tcb->soon |= SOON_OVER;
        tcp_event_stays(tcb);
    }
    if (tcb->ack_due <= ACK_DELAYED) {
        tcb_set_timer(tcb); /* else it is set when that has gone */
    }
}

static void look_at(struct tcb *tcb)
{
    tcb->soon &= (uint8_t)~SOON_LISTED;
    if (tcb->state == TCB_CLOSED) {
        return;
    }
    if (tcb->ack_due == ACK_DELAYED) {
        receiver_expire(tcb);
        if (tcb->ack_due == ACK_DELAYED) {
            append(tcb); /* it has sent one since, and owes another */
        } else {
            tcp_event_unsettled(tcb);
        }
    }
    if ((tcb->soon & (SOON_SEEN | SOON_OVER)) != 0) {
        look_again(tcb);
        return;
    }
    tcb->soon |= SOON_SEEN;
    if (!soon_is_listed(tcb)) {
        append(tcb);
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

__attribute__((noinline)) bool soon_add(struct tcb *tcb)
{
    ASSERT_SLOW(!soon_is_listed(tcb));
    if (end - first == RING_COUNT) {
        return false;
    }
    append(tcb);
    if (end - first == 1) {
        start_timer();
    }
    return true;
}

void soon_initialise(void)
{
    if (timer.expired == NULL) {
        timer_initialise(&timer, expire);
    }
    timer_stop(&timer);
    first = end = 0;
}
