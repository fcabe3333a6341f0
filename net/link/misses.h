/* SPDX-License-Identifier: MIT */
/*
 * Whether frames come to the queues that the NIC was told to bring them to. A hypervisor may take
 * a table of groups and go by another one: QEMU 7.2's program for the host's kernel (eBPF) takes
 * each frame that must not be fragmented for a fragment, and brings all of them to one queue.
 */
#pragma once

#include "kernel/base.h"

struct configuration;

/* Chosen: of frames that a NIC steers none goes elsewhere, and with two queues half of those that
 * it does not. So many of a NIC's frames are judged at once, and so many times one after the other
 * a fourth part or more must have missed its queue. */
#define LINK_MISSES_FRAMES 1000u
#define LINK_MISSES_LOOKS  3u

/*
 * About once a second, on the node that drives the NIC. `is_steady`: all flows have a queue of
 * their owner's LS, and steering is what it was at the last look; if not, what was seen counts no
 * more. Returns whether the NIC does not do as it was told.
 */
MUST_CHECK bool link_misses_look(const struct configuration *configuration, bool is_steady);
