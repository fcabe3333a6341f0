/* SPDX-License-Identifier: MIT */
/*
 * From a segment to its connection without walking lists: our side of the search in lwIP's
 * tcp_input(). net/transport/lwip/hooks.h declares the functions that lwIP itself calls.
 */
#pragma once

#include "kernel/base.h"
#include "net/messages.h"

struct connection;
struct pbuf;

/* Half-open connections at a time; beyond it SYNs are dropped (DROP_SYN_LIMIT). */
#define HALF_OPEN_MAX 4096u

/* What the SYN in a segment shall become. */
struct demux_assignment {
    struct acceptor acceptor;
    bool is_refused; /* nobody serves the port: answer with a reset */
    bool was_taken;  /* out: a new connection has the acceptor */
};

void demux_initialise(void);
/*
 * Give lwIP a segment, from its TCP header on; takes it. lwIP's own globals name its addresses
 * (ip4_current_src_addr() and its like), as after ip4_input().
 *
 * assignment   what a CM has said of it; NULL: a SYN becomes a connection without acceptor
 */
void demux_receive(struct pbuf *segment, struct demux_assignment *assignment);

/* The connection of this flow, as long as TCP knows it. NULL if there is none. */
struct connection *demux_find(const struct flow *flow);
/* TCP knows it from here on: find it by its flow. It is that of the segment under way. */
void demux_add(struct connection *connection);
/* TCP has forgotten it, or is about to. */
void demux_remove(struct connection *connection);
