/* SPDX-License-Identifier: MIT */
/*
 * Nodes that go without taking anybody's connection with them (after NEaT: lazy scale-down).
 *
 * A node that is asked to tells all others in two steps, DRAIN_STEP: first that it keeps the
 * connections of its flows, then that flows, acceptors and what goes through its LS are others'.
 * What it has goes on, by what kept.h does for connections whose flow is another's, and it waits
 * for the end of the last one. Then it parks, and to the others that is a death: kernel/platform.h.
 * What is left after drain=SECONDS is reset.
 *
 * Until then it can be called back: it says that it stays, has its flows again, and takes all
 * others for keepers of some of them until they say that they are not, as one that comes back.
 *
 * The machine as a whole may be about to end, too: then every node finishes what it has and refuses
 * what is new, but tells nobody, as all flows stay where they are.
 */
#pragma once

#include "kernel/base.h"

#define DRAIN_DEFAULT_S 30u
#define DRAIN_MAX_S     86400u

enum draining {
    DRAINING_NOT,
    DRAINING_NODE,    /* it parks when it is through */
    DRAINING_MACHINE, /* it waits for the machine's end */
};

/* What a node says of itself on its status page: in one word, enum draining above what is left. */
#define DRAINING_LEFT_BITS 32
struct draining_report {
    enum draining draining;
    uint32_t left; /* connections that it waits for */
};
struct draining_report draining_report_of(node_id_t node);

/* What one role does on a node that drains. Any function may be NULL. */
struct draining_part {
    void (*begin)(enum draining draining); /* take nothing new; DRAINING_NOT: again, after all */
    uint32_t (*count_left)(void);
    void (*cut)(void); /* the time is over: reset what is left */
};
#define DRAINING_PART_MAX 4
void draining_add_part(const struct draining_part *part);

/* Called when another node, or this one, drains, at each step: but for the first one's they are
 * called when the configuration knows. */
struct draining_observer {
    void (*keeps)(node_id_t node);
    void (*goes)(node_id_t node);
    void (*stays)(node_id_t node);
};
#define DRAINING_OBSERVER_MAX 6
void draining_observe(const struct draining_observer *observer);

/* Whether any node drains, or this one finishes for the machine's end; and whether a connection of
 * that TS's to this node's application shall end with what is under way. */
extern bool draining_is_any;
bool draining_is_ending(node_id_t ts);

/* This node shall go, or finish. Once; a machine that ends is stronger. */
void draining_begin(void);
void draining_finish(void);
/* It shall stay, unless its time is over: then it goes, and can be called back from there. */
void draining_stay(void);
/* One that has parked, or is about to, shall come back. */
void draining_call_back(node_id_t node);
/* How long a node has for it (drain=). */
uint64_t draining_limit_ns(void);

/* On every node with a role, before any role starts. */
void draining_start(void);
