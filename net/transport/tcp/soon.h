/* SPDX-License-Identifier: MIT */
/*
 * Connections that are looked at once more in a moment, in a ring by age, apart from the wheel. All
 * wait for the same time, so it costs little to stand here, even for nothing, and nobody is taken
 * off: the look finds that there is nothing to do, or another connection in the same place. For two
 * reasons they do:
 *
 *   - an acknowledgement that waits for something that takes it along (RFC 9293 3.8.6.3). Most are
 *     taken along before, and where an application on another node answers, each request has one;
 *   - the timer of a connection that has just begun, and its place among the orphans, if it is
 *     one. Most short ones are over by then, and have never been on the wheel.
 */
#pragma once

#include "kernel/base.h"
#include "net/transport/tcp/receiver.h"
#include "net/transport/tcp/tcb.h"

/* Of a tcb's `soon`, by bits. The first look at a connection may come at once, since its place may
 * stand here for the one before: it only takes note, and the second one counts. */
enum {
    SOON_LISTED = 1, /* its place stands here: once at most, whoever's it is */
    SOON_SEEN = 2,   /* the connection has been looked at once */
    SOON_OVER = 4,   /* and again: its timer belongs on the wheel */
};

/* When the look that counts comes, at the latest: what stands here again waits as long again. */
#define SOON_LATEST_US (3 * RECEIVER_ACK_DELAY_US)

void soon_initialise(void);
void soon_open(struct tcb *tcb);

/*
 * It does not stand here. RECEIVER_ACK_DELAY_US later, or up to twice that, an acknowledgement that
 * is ACK_DELAYED by then becomes due. At the second look, or at the first of one that has had them,
 * its timer is set (tcb_set_timer()). False: there is no room.
 */
bool soon_add(struct tcb *tcb);

static inline bool soon_is_listed(const struct tcb *tcb)
{
    return (tcb->soon & SOON_LISTED) != 0;
}

static inline bool soon_has_looked(const struct tcb *tcb)
{
    return (tcb->soon & SOON_OVER) != 0;
}

/* Whether tcp_event_stays() comes, if it does not end before. */
static inline bool soon_will_look(const struct tcb *tcb)
{
    return soon_is_listed(tcb) && !soon_has_looked(tcb);
}

/* Whether its timer may be left to the look, which comes in time for this deadline. */
static inline bool soon_may_have_timer(const struct tcb *tcb, uint32_t deadline_us, uint32_t now_us)
{
    return !soon_has_looked(tcb) && (int32_t)(deadline_us - now_us) >= (int32_t)SOON_LATEST_US;
}
