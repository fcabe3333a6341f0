/* SPDX-License-Identifier: MIT */
/*
 * Ephemeral ports of this server: those of its block (net/steering.h), from which it opens
 * connections.
 */
#pragma once

#include "kernel/base.h"
#include "net/messages.h"

struct configuration;

void ephemeral_initialise(const struct configuration *configuration);
/* steering_port_owner() in this node's configuration. */
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
/* The same for a flow with a port of somebody else's choice; also -EADDRNOTAVAIL: it is in the
 * block of another server, which lives. */
MUST_CHECK int ephemeral_take(const struct flow *flow, bool (*is_in_use)(const struct flow *flow),
                              uint64_t now_ns, uint32_t *least_iss);
