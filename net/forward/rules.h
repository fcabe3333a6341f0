/* SPDX-License-Identifier: MIT */
/*
 * Which ports of this machine are forwarded segment by segment, and where to: an application says
 * it here, and every transport server acts by it (net/transport/forward/). A connection of such a
 * port is not ours: the client's TCP speaks with the backend's, and only addresses and ports are
 * others' to each of them.
 */
#pragma once

#include "kernel/base.h"
#include "net/forward_messages.h"

struct forward_port {
    uint16_t port;         /* of ours, the machine's order; at most once, and not 0 */
    uint8_t algorithm;     /* enum forward_algorithm */
    uint8_t backend_count; /* 1 .. FORWARD_BACKEND_MAX */
    struct forward_backend backends[FORWARD_BACKEND_MAX]; /* no two the same */
};

/*
 * From now on these ports are forwarded, `count` of them, at most FORWARD_RULE_MAX, and no others:
 * told to every transport server, and again to each that comes back. Copied. May be called at any
 * time and as often as anything changes, as a backend's health: give it weight 0, or leave it out;
 * its flows go on. A port at which an application listens is that application's all the same. Of
 * several applications that say it the one on the node that has lived for longest is heard, and
 * when that has died the next.
 *
 * Returns 0; -EINVAL: something in it is not as net/forward_messages.h wants it, and nothing has
 * changed. Never waits.
 */
MUST_CHECK int forward_rules_set(const struct forward_port *ports, unsigned count);
