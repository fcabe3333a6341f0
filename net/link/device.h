/* SPDX-License-Identifier: MIT */
/*
 * The NIC as a whole, for the link server that is the first: bring-up, steering of flows to the
 * queues of all link servers, and the state of the link. Without a started NIC, as on all other
 * nodes, every call but the first does nothing.
 */
#pragma once

#include "drivers/nic/nic.h"
#include "kernel/base.h"

struct configuration;

/*
 * Find the NIC and start it with a queue for each LS. `open_own_queue` is called when the NIC works
 * but lets nothing in yet. In a thread: others run while the NIC resets.
 *
 * Returns 0; or an error that has been logged, with the NIC switched off: -ENODEV without a NIC
 * that a driver knows, -ENOSPC, -ENOMEM, -ETIMEDOUT when it falls silent.
 */
MUST_CHECK int link_device_start(const struct configuration *configuration,
                                 int (*open_own_queue)(const struct nic_queue_key *key));

/* Ask the other LSs to open their queues, tell all TSs that frames can be sent, and then steer to
 * this node's queue. */
void link_device_announce(void);

/* Before sleep: if the link's interrupt was taken, look at the link, and tell the TSs what has
 * changed. Costs a read of a counter otherwise. */
void link_device_before_sleep(void);

/* Look at the link, and tell the TSs what has changed: about once a second, since its interrupt is
 * taken only in sleep, and a busy node does not sleep. */
void link_device_check(void);

/* How many frames the NIC as a whole has lost since the last call. */
uint32_t link_device_take_missed(void);
