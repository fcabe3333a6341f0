/* SPDX-License-Identifier: MIT */
/*
 * Nodes that hang. Who has sent a node something, and sees it take nothing for long, gives it up:
 * says so on its own status page, which all nodes honour, and stops that core by an NMI, so that it
 * says where it was; if it is deaf to that, by INIT. It does not matter whether it says that it
 * sleeps: it was rung.
 *
 * The time is counted in looks of this node, so what this node did not run, or the whole machine,
 * is not the other's fault. `node_timeout=SECONDS` on the command line sets it; 0: no node is given
 * up for being slow. A node whose application computes for so long without a wait counts as one
 * that hangs.
 */
#pragma once

#include "kernel/base.h"

/* Chosen: emulated nodes of a busy host stand still for a second or two. */
#define WATCH_TIMEOUT_DEFAULT_S 20
#define WATCH_TIMEOUT_MAX_S     3600

void watch_initialise(void);
/* Look at all nodes, if it is time. */
void watch_look(uint64_t now_ns);
/* When to look again although nothing else happens: UINT64_MAX, unless a node is behind, or
 * `is_blocked`. */
uint64_t watch_deadline_ns(bool is_blocked);

/* Give up a node that can be sent to. Messages to it vanish from here on; node_down follows at the
 * next look at all nodes. */
void watch_give_up(node_id_t node, const char *reason);
/* Whether one has been given up since the last call. */
bool watch_take_given_up(void);
