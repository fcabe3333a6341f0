/* SPDX-License-Identifier: MIT */
/*
 * From a segment to its connection without walking lists: our side of the seams in
 * net/transport/lwip/hooks.h, which declares the functions that lwIP itself calls.
 */
#pragma once

#include "kernel/base.h"
#include "net/messages.h"

struct connection;
struct tcp_pcb;

/* Half-open connections at a time; beyond it SYNs are dropped (DROP_SYN_LIMIT). */
#define HALF_OPEN_MAX 4096u

void demux_initialise(void);
/* The connection of this flow, as long as TCP knows it. NULL if there is none. */
struct connection *demux_find(const struct flow *flow);

/* What the next SYN given to lwIP shall become. */
struct demux_assignment {
    struct acceptor acceptor;
    bool is_refused; /* nobody serves the port: answer with a reset */
    bool was_taken;  /* out: a new connection has the acceptor */
};
/* NULL ends it: a SYN without assignment has no acceptor yet. */
void demux_set_assignment(struct demux_assignment *assignment);

/* Put the PCB where the slow timer sees it, or take it away, as its state asks for. */
void demux_park(struct connection *connection);
/* The same for all PCBs that the slow timer has just visited. Returns whether any is left. */
bool demux_park_all(void);
bool demux_any_ticking(void);
