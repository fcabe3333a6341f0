/* SPDX-License-Identifier: MIT */
/*
 * Which nodes may go, and which go first, when a machine has more than it needs. For whoever asks
 * nodes to (apps/monitor/); a node itself does what it is told.
 *
 * Who stays: the node that drives the network card, the one that speaks for the address, the one
 * that asks, and of each role the last one. Of the others those go first whose kind, the same
 * roles, has most that stay, so that the parts of a configuration shrink alike; of several kinds,
 * and of one kind, the node with the highest number.
 */
#pragma once

#include "kernel/base.h"
#include "net/configuration.h"

enum scaling_verdict {
    SCALING_MAY_GO,
    SCALING_NOT_RUNNING,
    SCALING_IDLE, /* it has no role, and sleeps as it is */
    SCALING_ASKS,
    SCALING_DRIVES_CARD,
    SCALING_SPEAKS,
    SCALING_LAST_LS, /* and so on: no other that stays has the role */
    SCALING_LAST_TS,
    SCALING_LAST_CM,
    SCALING_LAST_APPLICATION,
};

/* `staying`: the nodes that run, less those that are on their way out. */
enum scaling_verdict scaling_judge(const struct configuration *configuration,
                                   const struct node_set *staying, node_id_t asking,
                                   node_id_t node);
/* A sentence's end: "node3 " and this. */
const char *scaling_reason(enum scaling_verdict verdict);

/* The next `count` that go: taken out of *staying and put into *going. False, and nothing has
 * changed, if there are fewer, of which *found says how many. */
bool scaling_choose(const struct configuration *configuration, node_id_t asking, unsigned count,
                    struct node_set *staying, struct node_set *going, unsigned *found);
