/* SPDX-License-Identifier: MIT */
/*
 * Which of the NIC's queues gets which frames: on the node that drives the NIC.
 */
#pragma once

#include "kernel/base.h"
#include "libc/core/node_set.h"

struct configuration;
struct nic;

/* The NIC, and its queues by the numbers of their LSs: device.c's. */
struct link_queues {
    struct nic *nic;          /* NULL until it is started, or taken over; and when it is lost */
    unsigned own_index;       /* the queue of this node */
    struct node_set attached; /* queues from which their LS takes frames */
    struct node_set missing;  /* queues that their LS could not open, or whose LS is dead */
};

/* The NIC steers nothing yet, as far as we know. `steered` is called when all is steered that can
 * be. */
void link_steer_begin(const struct configuration *configuration, const struct link_queues *queues,
                      void (*steered)(void));

/* Whether the NIC tells groups apart as we do. */
bool link_steer_is_possible(void);

/* After a change of what is attached, or drains: what belongs to no group. */
void link_steer_spread(void);

/* After any change: the groups. The second lets others run now and then: these are milliseconds. */
void link_steer(void);
void link_steer_in_thread(void);

/* About once a second: a NIC that does not do as it was told (misses.h) is told nothing any more,
 * but that it choose by itself. Frames are forwarded in software then. */
void link_steer_check(void);
