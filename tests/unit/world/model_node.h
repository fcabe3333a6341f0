/* SPDX-License-Identifier: MIT */
/*
 * Two nodes over memory_model.c, each with the real event loop, dispatch_run(), and a channel to
 * the other. Beside it stand no threads, no timers and no watch over nodes that hang, none of which
 * shares a word with the protocol: so nobody wakes who is not interrupted.
 * Both channels are open from the start; an interrupt comes as soon as it is sent.
 */
#pragma once

#include "kernel/base.h"
#include "tests/unit/world/memory_model.h"

#define MODEL_LINES_MAX    8
#define MODEL_MESSAGES_MAX 16

/* What the nodes do. Messages of a node are numbered from 1 and carry their number. */
struct model_scenario {
    unsigned line_count; /* of each channel: 4 or 8, the least in which messages of 1 or 2 lines
                            keep the proportions of limits.h */
    uint32_t first_line; /* both channels' */
    unsigned message_count[MODEL_NODES];             /* that each node sends */
    unsigned lines[MODEL_NODES][MODEL_MESSAGES_MAX]; /* of each: 1 or 2 */
    unsigned burst;      /* a node sends so many in a round; 0: as many as there is room for */
    bool is_quiet_due;   /* node 1 is about to mark its channel as quiet */
    bool has_stale_line; /* payload in a message's second line looks like the header to come */
};

struct memory_model_result model_explore(const struct model_scenario *scenario,
                                         enum memory_model model,
                                         struct memory_model_weakened weakened);
