/* SPDX-License-Identifier: MIT */
/*
 * Nodes that hang. A node that has sent another one something, and sees it take nothing for long,
 * gives it up: sends it nothing more, and says so on its own status page. If the other's event loop
 * stands still, too, although it was rung, its core is stopped: by an NMI, so that it says where it
 * was; if it is deaf to that, by INIT.
 *
 * What one node says of another is a hint, for it may have gone wild itself. A node that hears it
 * rings the accused and looks as long. A node is dead when its own page says so, or when more than
 * half of those that live have given it up, so after twice the time at most; failing that, when it
 * has been reset. One that takes nothing but goes round is lost to the node that has given it up,
 * and to no other: either may be to blame. What a wild node does by interrupts nothing prevents.
 *
 * The time is counted in looks of this node, so that time in which it, or the whole machine, did
 * not run is not the other's fault. `node_timeout=SECONDS` sets it; 0: no node is too slow. A node
 * whose application computes for so long without a wait counts as one that hangs.
 */
#pragma once

#include "kernel/base.h"

/* Chosen: emulated nodes of a busy host stand still for a second or two. */
#define WATCH_TIMEOUT_DEFAULT_S 20
#define WATCH_TIMEOUT_MAX_S     3600

void watch_initialise(void);
/* Look at all nodes, if it is time. */
void watch_look(uint64_t now_ns);
/* When to look again whatever happens: UINT64_MAX unless a node is watched, or `is_blocked`. */
uint64_t watch_deadline_ns(bool is_blocked);

/* Read what the other nodes say of each other. Panics if most of them have given up this one. */
void watch_hear(void);
/* Give up a node that can be sent to: messages to it vanish; node_down follows when it is dead. */
void watch_give_up(node_id_t node, const char *reason);
/* Of a dead node nothing more is to be seen: what its next incarnation does counts anew. */
void watch_forget(node_id_t node);
/* Whether one has been given up, or has died to this node, since the last call. */
bool watch_take_lost(void);
