/* SPDX-License-Identifier: MIT */
/*
 * The NIC as a whole, for the link server that is the first: bring-up, steering of flows to the
 * queues of all link servers, and the state of the link. Without a started device, as on all other
 * nodes, every call but the first does nothing.
 */
#pragma once

#include "kernel/base.h"

struct configuration;

/*
 * Find the NIC and start it with a queue for each LS. `start_own_queue` is called when the device
 * works but lets nothing in yet, with its mapped registers. In a thread: others run while the
 * device resets.
 *
 * Returns 0; or an error that has been logged, with the device switched off: -ENODEV without a NIC
 * of ours, -ETIMEDOUT when it falls silent, -ENOMEM.
 */
MUST_CHECK int link_device_start(const struct configuration *configuration,
                                 int (*start_own_queue)(void *registers, unsigned index));

/* Ask the other LSs to start their queues, tell all TSs that frames can be sent, and then have the
 * flow director steer to this node's queue. */
void link_device_announce(void);

/* Before sleep: if the link's interrupt was taken, look at the link, and tell the TSs what has
 * changed. Costs a read of a counter otherwise. */
void link_device_before_sleep(void);

/* About once a second, while awake: look at the link. Returns how many frames the whole device has
 * lost since the last call because its packet buffer was full. */
uint32_t link_device_look(void);
