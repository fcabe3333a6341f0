/* SPDX-License-Identifier: MIT */
/*
 * The NIC as a whole, for the link server that drives it: bring-up, steering of flows to the
 * queues of all link servers, and the state of the link. That is the one that has lived for
 * longest; when it dies the next takes over what runs. Without a NIC to drive, as on all other
 * nodes, every call but those two does nothing.
 */
#pragma once

#include "drivers/nic/nic.h"
#include "kernel/base.h"

struct configuration;

/* Register the messages of device.c: on every link server, one of which may have to take over. */
void link_device_initialise(void);

/*
 * Find the NIC and start it with a queue for each LS. `open_own_queue` is called when the NIC works
 * but lets nothing in yet; `start_anew` when it must be started once more, later. In a thread:
 * others run while the NIC resets.
 *
 * Returns 0; or an error that has been logged, with the NIC switched off: -ENODEV without a NIC
 * that a driver knows, -ENOSPC, -ENOMEM, -ETIMEDOUT when it falls silent. Or, not logged, -EAGAIN:
 * link_device_stop() has been called meanwhile.
 */
MUST_CHECK int link_device_start(const struct configuration *configuration,
                                 int (*open_own_queue)(const struct nic_queue_key *key),
                                 void (*start_anew)(void));

/* Ask the other LSs to open their queues, tell all TSs that frames can be sent, and then steer to
 * this node's queue. */
void link_device_announce(void);

/*
 * The LS that drove the NIC is dead, and this one is next: steer away from the dead one's queue,
 * and ask the others for their queues again.
 *
 * key           of this LS's queue; NULL if it has never got one: then nobody can drive the NIC
 * is_queue_open whether that queue takes frames
 */
void link_device_take_over(const struct configuration *configuration,
                           const struct nic_queue_key *key, bool is_queue_open);

/* The NIC has been switched off, because it could not be kept from a dead node's memory otherwise:
 * forget it. link_device_start() begins again. */
void link_device_stop(void);

/* A node has died: its queue gets no more frames, and its flows go to the queues of those whose
 * they are now. */
void link_device_lose_node(node_id_t node);
/* One has come back: its queue is asked for, its TS told of the NIC. And when it serves again as a
 * TS, its flows go to its queue. */
void link_device_regain_node(node_id_t node);
void link_device_note_serving(void);
/* A node is about to go, as the configuration knows. */
void link_device_note_draining(void);

/* Before sleep: if the link's interrupt was taken, look at the link, and tell the TSs what has
 * changed. Costs a read of a counter otherwise. */
void link_device_before_sleep(void);

/* Look at the link, and tell the TSs what has changed: about once a second, since its interrupt is
 * taken only in sleep, and a busy node does not sleep. */
void link_device_check(void);

/* How many frames the NIC as a whole has lost since the last call. */
uint32_t link_device_take_missed(void);
