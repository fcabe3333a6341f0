/* SPDX-License-Identifier: MIT */
/*
 * Connections that are looked at once more in a moment, in a ring by age, apart from the wheel. All
 * wait for the same time, so it costs little to stand here, even for nothing, and nobody is taken
 * off: the look finds that there is nothing to do, or another connection in the same place. For two
 * reasons they do:
 *
 *   - an acknowledgement that waits for something that takes it along (RFC 9293 3.8.6.3). Most are
 *     taken along before, and where an application on another node answers, each request has one;
 *   - the timer of a connection that has just begun. Most short ones are over by then, and have
 *     never been on the wheel.
 */
#pragma once

#include "kernel/base.h"
#include "net/transport/tcp/receiver.h"
#include "net/transport/tcp/tcb.h"

/* When it is looked at, at the latest: a place that stands here already may have got there for the
 * connection before, and what stands here again waits once more. */
#define SOON_LATEST_US (2 * RECEIVER_ACK_DELAY_US)

/* Of a tcb's `soon`, by bits. */
enum {
    SOON_LISTED = 1, /* its place stands here: once at most, whoever's it is */
    SOON_OVER = 2,   /* the connection has been looked at: its timer belongs on the wheel */
};

void soon_initialise(void);
void soon_open(struct tcb *tcb);

/*
 * It does not stand here. RECEIVER_ACK_DELAY_US later, or up to twice that, an acknowledgement that
 * is ACK_DELAYED by then becomes due, and its timer is set (tcb_set_timer()). False: there is no
 * room.
 */
bool soon_add(struct tcb *tcb);

static inline bool soon_is_listed(const struct tcb *tcb)
{
    return (tcb->soon & SOON_LISTED) != 0;
}

/* Whether its timer may be left to the look, which comes in time for this deadline. */
static inline bool soon_may_have_timer(const struct tcb *tcb, uint32_t deadline_us, uint32_t now_us)
{
    return (tcb->soon & SOON_OVER) == 0 &&
           (int32_t)(deadline_us - now_us) >= (int32_t)SOON_LATEST_US;
}
