/* SPDX-License-Identifier: MIT */
/*
 * Too many SYNs. On the first link server's node the card may have a queue that takes only those
 * (drivers/nic/nic.h). All SYNs of the machine go there while they are most of what comes, and more
 * than the node can take, so that it loses frames: then what is too many is lost in the card, and
 * no longer in place of frames of connections. Otherwise that queue would cost a message for each
 * SYN whose transport server is on another node, and it loses some that come in bunches, so it is
 * not used.
 *
 * When that node dies nobody opens such a queue again: its ring lies in the dead node's memory and
 * raises the dead node's interrupt, and a card that is adopted is not reset. The log says so. SYNs
 * share the other rings then; what is too many is dropped in software (net/transport/tcp/flood.h).
 */
#pragma once

#include "drivers/nic/nic.h"
#include "kernel/base.h"

/* Of one queue, by what it counts itself. Chosen: about what one node opens in a second. The
 * benchmark has an image in which it is never reached. */
#ifndef LINK_SYNS_ON_PER_S
#define LINK_SYNS_ON_PER_S 20000u
#endif
/* Of the queue for SYNs, lost ones included, for so long: chosen, a quarter of the above. */
#define LINK_SYNS_OFF_PER_S 5000u
#define LINK_SYNS_QUIET_NS  (2 * NS_PER_S)
/* Taken in a round, behind all other frames: at least these, and what those have left of the
 * round's budget. */
#define LINK_SYNS_LEAST     16u

/* The card has been started by this node; its queue for SYNs, if it has one, is opened. */
void link_syns_open(struct nic *nic);
/* Of the frames that were taken from this node's own queue in this round, so many were SYNs, at
 * least one. Returns, now and then, that they are that many: if frames are lost, too, it is a
 * flood.
 */
MUST_CHECK bool link_syns_note(unsigned syn_count);
/* They go to their own queue from now on, until they have been few for a while. */
void link_syns_begin(void);
/* Take SYNs from their queue, oldest first. Returns how many; 0 at once where they have none. */
MUST_CHECK unsigned link_syns_receive(struct frame **frames, unsigned frame_max);
/* Whether the queue has some: they wake the node with its own queue's interrupt. */
bool link_syns_is_pending(void);
/* Now and then, while the node is awake. Returns how many SYNs the card has lost since. */
uint32_t link_syns_check(void);
