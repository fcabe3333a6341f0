/* SPDX-License-Identifier: MIT */
/*
 * A dead link server's queue. It is stopped, by each link server that lives, before the dead node's
 * memory is used again. The one that drives the card takes in its place what still comes there,
 * until the card sends that elsewhere: steering thousands of groups takes milliseconds, and a SYN
 * that is lost meanwhile costs its client a second.
 */
#pragma once

#include "kernel/base.h"

struct configuration;
struct dispatch_source;
struct frame;
struct nic_queue;

/* Stop the queues of this node, which has died, by this node's own queue. Holds the node where that
 * fails (dispatch_hold_node()). Returns 0; or -ENODEV when all of the card had to be switched off.
 */
MUST_CHECK int link_takeover_stop(const struct configuration *configuration, struct nic_queue *own,
                                  node_id_t node);

/*
 * Behind that: take what comes to its queue. No interrupt tells of it: who steers meanwhile
 * is awake. `source` is that of this node's own queue; `deliver` hands over frames.
 * Nothing where the node had no queue, the card has no such thing or there is no memory: then what
 * still comes there is lost.
 */
void link_takeover_begin(const struct configuration *configuration, struct nic_queue *own,
                         node_id_t node, struct dispatch_source *source,
                         unsigned (*deliver)(struct frame **frames, unsigned count));
/* Nothing comes there any more, or nobody will see to that. What has come is still delivered. In a
 * thread others run meanwhile; called again then, it does nothing. */
void link_takeover_end(void);
/* Whether this queue is taken: its own link server must not open it. */
bool link_takeover_has(unsigned index);
