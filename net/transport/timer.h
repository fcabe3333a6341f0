/* SPDX-License-Identifier: MIT */
/*
 * The transport server's clocks: lwIP's slow tick and delayed acknowledgements. Nothing ticks
 * while no connection needs it.
 */
#pragma once

#include "kernel/base.h"

struct connection;

/* lwIP's slow timer: the unit of its retransmission time-outs. */
#define TRANSPORT_TICK_NS (100 * NS_PER_MS)
/* An answer within this time carries the acknowledgement along. */
#define DELAYED_ACK_NS    (10 * NS_PER_MS)

void transport_timer_initialise(void);
/* Before lwIP works after a pause: bring its count of slow ticks up to date. */
void transport_timer_catch_up(void);
/* Set the clocks that this connection needs, in the state it now is. */
void transport_timer_watch(struct connection *connection);
/* Its entry is about to be freed. */
void transport_timer_forget(struct connection *connection);
