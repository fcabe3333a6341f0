/* SPDX-License-Identifier: MIT */
/*
 * The machine's lease of an address (RFC 2131): lwIP's client runs on the speaker, and its lease is
 * known to all transport servers, so that the next one goes on with it when the speaker dies.
 */
#pragma once

#include "kernel/base.h"

void transport_dhcp_initialise(void);
/* On the speaker, once the interface is up: go on with the lease if one is known and still good,
 * ask for an address otherwise. */
void transport_dhcp_start(void);
/* On the speaker, so many seconds after the last call, or after the start. */
void transport_dhcp_pass(uint64_t seconds);
/* On the speaker, when the address has changed: the others learn of a new lease at once. */
void transport_dhcp_tell(void);
/* On the speaker, to a transport server that has come back. */
void transport_dhcp_greet_node(node_id_t ts);
