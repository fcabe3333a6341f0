/* SPDX-License-Identifier: MIT */
/*
 * What this node knows of who is listened for: the ports that are served, as its connection manager
 * says, and the question who shall have the connection that a SYN may become, which goes to that CM
 * while the SYN-ACK is on its way (PIKA 3.2). The answer goes to the handshake, or to its
 * connection if that is complete already; if neither is left the acceptor is reported closed.
 */
#pragma once

#include "kernel/base.h"

struct flow;

enum admission {
    ADMISSION_SERVED,
    ADMISSION_REFUSED, /* nobody serves the port: its SYN is reset */
    /* No CM has said yet which ports are served: the peer sends its SYN again, in a second. */
    ADMISSION_UNKNOWN,
};

void admission_initialise(void);
/* In the machine's order. */
enum admission admission_of_port(uint16_t port);
/* Whether a CM has said it. */
bool admission_has_ports(void);
/* Nobody serves any port any more, whatever a CM says: the machine is about to end. */
void admission_close(void);
/* Ask for an acceptor: SYN_ARRIVED. Returns the CM that will answer; NODE_NONE: there is no room in
 * the channel, or no CM lives, and nothing is asked. */
MUST_CHECK node_id_t admission_ask(const struct flow *flow);
