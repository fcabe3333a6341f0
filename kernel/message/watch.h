/* SPDX-License-Identifier: MIT */
/*
 * Nodes that hang. A node that has sent another one something, and sees it take nothing for long,
 * gives it up: sends it nothing more, and says so on its own status page. If the other's event loop
 * stands still, too, although it was rung, its core is stopped: by NMIs, so that it says where it
 * was; if it is deaf to them, by INIT. A layer above may notice it far sooner (watch_next).
 *
 * What one node says of another is a hint, for it may have gone wild itself. A node that hears it
 * rings the accused and looks as long. A node is dead when its own page says so, or when more than
 * half of those that live have given it up, so after twice the time at most; failing that, when it
 * has been reset. One that takes nothing but goes round is lost to the node that has given it up,
 * and to no other: either may be to blame. What a wild node does by interrupts nothing prevents.
 *
 * The time is counted in looks of this node, so that time in which it, or the whole machine, did
 * not run is not the other's fault. It is WATCH_GIVE_UP_TIMES that of `node_timeout=MILLISECONDS`;
 * 0: no node is too slow. A node whose application computes for so long without a wait hangs, too.
 */
#pragma once

#include "kernel/base.h"

/* Chosen: emulated nodes of a busy host stand still for a second or two. */
#define WATCH_GIVE_UP_DEFAULT_MS 20000
#define WATCH_GIVE_UP_MIN_MS     2000
#define WATCH_GIVE_UP_TIMES      20
#define WATCH_TIMEOUT_MAX_MS     60000

void watch_initialise(void);
/* What watches the next node, if anything does. A sleep that ends at its deadline goes on behind
 * its look, so that nodes do not keep each other awake. */
struct watch_next {
    void (*look)(uint64_t now_ns);    /* every few rounds, and behind a sleep */
    uint64_t (*deadline_ns)(void);    /* on the way to sleep */
    void (*woken)(uint64_t slept_ns); /* no more asleep: after so long, or for the first time */
};
extern const struct watch_next *watch_next;

/* Look at all nodes, if it is time. Returns whether the event loop need not know. */
bool watch_look(uint64_t now_ns);
/* When to look again whatever happens: UINT64_MAX unless a node is watched, or `is_blocked`. */
uint64_t watch_deadline_ns(bool is_blocked);

/* Read what the other nodes say of each other. Panics if most of them have given up this one. */
void watch_hear(void);
/* Give up a node that can be sent to: messages to it vanish; node_down follows when it is dead. */
void watch_give_up(node_id_t node, const char *reason);
/* Look at this one, too, for it does not go round. */
void watch_suspect(node_id_t node);
/* Of a dead node nothing more is to be seen: what its next incarnation does counts anew. */
void watch_forget(node_id_t node);
/* Whether one has been given up, or has died to this node, since the last call. */
bool watch_take_lost(void);
