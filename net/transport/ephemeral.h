/* SPDX-License-Identifier: MIT */
/*
 * Ephemeral ports: those from which this machine opens connections. Their range is cut into one
 * block for each transport server, in the order of struct configuration; who is dead keeps his. So
 * no two servers open the same flow, and whoever gets a segment for such a port and does not know
 * it has somebody to ask (kept.h).
 */
#pragma once

#include "kernel/base.h"
#include "net/messages.h"

/* 32768 .. 65535: most of what IANA calls dynamic (RFC 6335 6) and Linux uses; whoever is asked for
 * another port, as a listener, may have one of these, too. */
#define EPHEMERAL_FIRST     32768u
#define EPHEMERAL_COUNT_LOG 15u

struct configuration;

void ephemeral_initialise(const struct configuration *configuration);
/* The server in whose block this port (machine's order) is; NODE_NONE: it is no such port. */
node_id_t ephemeral_owner(uint16_t port);

/*
 * A local port for a flow that has all else, from this node's block, by RFC 6056 3.3.4 (double
 * hash): ports that nobody uses come first, then those in TIME-WAIT, the one that has been used
 * longest ago first; of each, with steer=xor6, those first whose answers the card brings here.
 *
 * is_in_use  whether a flow has a connection, or is about to
 * least_iss  filled in when the flow is in TIME-WAIT: our initial sequence number lies beyond it
 *
 * Returns 0, or 1 if it is in TIME-WAIT; -EADDRNOTAVAIL: all are in use. The table of TIME-WAIT is
 * as it was.
 */
MUST_CHECK int ephemeral_choose(struct flow *flow, bool (*is_in_use)(const struct flow *flow),
                                uint64_t now_ns, uint32_t *least_iss);
/* The same for a flow with a port of somebody else's choice. */
MUST_CHECK int ephemeral_take(const struct flow *flow, bool (*is_in_use)(const struct flow *flow),
                              uint64_t now_ns, uint32_t *least_iss);
